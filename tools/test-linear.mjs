// `npm run test:linear`: time against size, for everything that reads what users pass or what files hold. Ends with the steepest slope.
import { runLongSuites } from './long-suites.mjs';

await runLongSuites([[[{ name: 'time against size', args: ['--project', 'linear'] }]]], /linear worst_slope=.*/g);
