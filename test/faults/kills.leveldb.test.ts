import { testKills } from './kills.ts';

testKills('leveldb');
