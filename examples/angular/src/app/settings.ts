// Where Supabase and CometChat are: public/settings.json, which each deployment has its own of.
import { InjectionToken } from '@angular/core';

export interface Settings {
  supabaseUrl: string;
  supabasePublishableKey: string;
  /** Empty: the local CometChat of the tests. */
  cometchatAppId: string;
  cometchatRegion: string;
}

export const SETTINGS = new InjectionToken<Settings>('settings');
