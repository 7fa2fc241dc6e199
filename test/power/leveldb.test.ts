import { testPower } from './power.ts';

testPower('leveldb');
