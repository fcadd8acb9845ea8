// examples/angular in a browser.
import { tour } from './tour.ts';

tour('angular');
