// Sign-up and log-in: nothing here is about chat.
import { Component, inject, signal } from '@angular/core';
import { Account } from './account';
import { AccountForm, type Fields } from './account-form';

@Component({
  selector: 'app-signed-out',
  imports: [AccountForm],
  template: `
    <h1>Sign up, and chat is ready.</h1>
    <app-account-form label="Sign up" button="Create account" [send]="signUp">
      <label>Name <input name="name" autocomplete="name" maxlength="100" required /></label>
      <label>E-mail <input name="email" type="email" autocomplete="username" required /></label>
      <label>Password <input name="password" type="password" autocomplete="new-password" minlength="6" required /></label>
    </app-account-form>
    @if (notice()) { <p role="status">{{ notice() }}</p> }
    <app-account-form label="Log in" button="Log in with e-mail" [quiet]="true" [send]="logIn">
      <label>E-mail <input name="email" type="email" autocomplete="username" required /></label>
      <label>Password <input name="password" type="password" autocomplete="current-password" required /></label>
    </app-account-form>
  `,
})
export class SignedOut {
  private readonly auth = inject(Account).supabase.auth;
  readonly notice = signal('');

  readonly signUp = async ({ name, email, password }: Fields) => {
    const options = { data: { display_name: name } };
    const { data, error } = await this.auth.signUp({ email: email!, password: password!, options });
    // With e-mail confirmation there is no session yet; the database has queued the chat user already.
    if (!error && !data.session) this.notice.set(`Open the link that we sent to ${email}.`);
    return error?.message;
  };
  readonly logIn = async ({ email, password }: Fields) => {
    const { error } = await this.auth.signInWithPassword({ email: email!, password: password! });
    return error?.message;
  };
}
