// Starts the app, on a phone and in a browser.
import { registerRootComponent } from 'expo';
import { App } from './src/App';

registerRootComponent(App);
