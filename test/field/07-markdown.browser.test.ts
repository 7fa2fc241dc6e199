// Item 7 in the browser.
import './07-markdown.test.ts';
