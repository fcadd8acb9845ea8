// examples/expo, its web build, in a browser. CometChat's UI Kit for React Native does not run there.
import { tour } from './tour.ts';

tour('expo', { kit: false });
