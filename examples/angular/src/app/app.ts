// Who is signed in decides what is seen; chat follows the session for as long as the app lives.
import { Component, inject } from '@angular/core';
import { Account } from './account';
import { Chat } from './chat';
import { SignedIn } from './signed-in';
import { SignedOut } from './signed-out';

@Component({
  selector: 'app-root',
  imports: [SignedIn, SignedOut],
  template: `
    @if (session(); as session) {
      <app-signed-in [user]="session.user" />
    } @else if (session() === null) {
      <app-signed-out />
    }
  `,
})
export class App {
  readonly session = inject(Account).session;
  constructor() {
    inject(Chat); // from the start, also while nobody is signed in
  }
}
