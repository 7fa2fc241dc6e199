import { testPower } from './power.ts';

testPower('sqlite');
