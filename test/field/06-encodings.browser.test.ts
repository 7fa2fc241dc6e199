// Item 6 in the browser, whose decoders are others than Node's.
import './06-encodings.test.ts';
