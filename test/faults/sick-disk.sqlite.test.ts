import { testSickDisk } from './sick-disk.ts';

testSickDisk('sqlite', 'eio');
testSickDisk('sqlite', 'stall');
