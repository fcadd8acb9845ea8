// Reads the settings, which are not part of the build, and starts the app.
import { bootstrapApplication } from '@angular/platform-browser';
import { App } from './app/app';
import { SETTINGS } from './app/settings';

fetch('settings.json')
  .then((response) => response.json())
  .then((settings) => bootstrapApplication(App, { providers: [{ provide: SETTINGS, useValue: settings }] }))
  .catch((error) => console.error(error));
