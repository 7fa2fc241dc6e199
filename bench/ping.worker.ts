// A worker that does nothing when asked: what a call costs by itself.
import { expose } from 'comlink';

expose({ ping() {} });
