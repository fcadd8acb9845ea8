// Supabase's side: the client, and its session as a signal. Nothing here is about chat.
import { Injectable, inject, signal } from '@angular/core';
import { createClient, type Session } from '@supabase/supabase-js';
import { SETTINGS } from './settings';

@Injectable({ providedIn: 'root' })
export class Account {
  private readonly settings = inject(SETTINGS);
  readonly supabase = createClient(this.settings.supabaseUrl, this.settings.supabasePublishableKey);
  /** undefined: not known yet; null: nobody is signed in. */
  readonly session = signal<Session | null | undefined>(undefined);

  constructor() {
    this.supabase.auth.onAuthStateChange((_, session) => this.session.set(session));
  }
}
