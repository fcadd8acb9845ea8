// examples/vue in a browser.
import { tour } from './tour.ts';

tour('vue');
