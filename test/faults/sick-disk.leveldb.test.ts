import { testSickDisk } from './sick-disk.ts';

testSickDisk('leveldb', 'eio');
testSickDisk('leveldb', 'stall');
