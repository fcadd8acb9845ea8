// The chat card, the profile, and the way out.
import { Component, computed, inject, input } from '@angular/core';
import type { User } from '@supabase/supabase-js';
import { words } from '../../../shared/page/words';
import { Account } from './account';
import { AccountForm, type Fields } from './account-form';
import { Chat } from './chat';

@Component({
  selector: 'app-signed-in',
  imports: [AccountForm],
  template: `
    <h1>Hello, {{ name() }}</h1>
    <section aria-label="Chat" [attr.data-status]="state().status">
      <h2>Chat</h2>
      <p role="status">{{ said() }}</p>
      @if (state(); as now) {
        @if (now.status === 'connected') {
          <dl>
            <dt>Name at CometChat</dt><dd data-fact="name">{{ now.user.name }}</dd>
            <dt>uid</dt><dd data-fact="uid">{{ now.user.uid }}</dd>
          </dl>
        } @else if (now.status === 'waiting' || now.status === 'failed') {
          <button class="quiet" (click)="chat.retry()">Try now</button>
        }
      }
    </section>
    <app-account-form label="Profile" button="Save" [send]="save">
      <label>Display name <input name="name" [value]="name()" maxlength="100" required /></label>
    </app-account-form>
    <app-account-form label="Sign out" button="Sign out" [quiet]="true" [send]="leave">
      <label class="check"><input type="checkbox" name="everywhere" /> Sign out everywhere</label>
    </app-account-form>
  `,
})
export class SignedIn {
  private readonly auth = inject(Account).supabase.auth;
  readonly chat = inject(Chat);
  readonly user = input.required<User>();
  readonly name = computed(() => String(this.user().user_metadata['display_name'] ?? ''));
  readonly state = this.chat.state;
  readonly said = computed(() => words(this.state()));

  readonly save = async ({ name }: Fields) => {
    const { error } = await this.auth.updateUser({ data: { display_name: name } });
    return error?.message;
  };
  readonly leave = async ({ everywhere }: Fields) => {
    const errorCode = await this.chat.signOut(everywhere === 'on');
    return errorCode && `Not signed out: ${errorCode}`;
  };
}
