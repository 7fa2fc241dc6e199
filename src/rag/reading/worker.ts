// The reader as a script of its own.
import { serve } from './serve.ts';

serve();
