// A form that is sent once, and shows its problem.
import { Component, input, signal } from '@angular/core';

export type Fields = Record<string, string>;

@Component({
  selector: 'app-account-form',
  template: `
    <form [attr.aria-label]="label()" (submit)="submit($event)">
      <ng-content />
      <p role="alert">{{ problem() }}</p>
      <button [class.quiet]="quiet()" [disabled]="busy()">{{ button() }}</button>
    </form>
  `,
})
export class AccountForm {
  readonly label = input.required<string>();
  readonly button = input.required<string>();
  readonly quiet = input(false);
  /** What went wrong, in words, or nothing. */
  readonly send = input.required<(fields: Fields) => Promise<string | undefined>>();
  readonly busy = signal(false);
  readonly problem = signal('');

  async submit(event: Event) {
    event.preventDefault();
    const data = new FormData(event.target as HTMLFormElement);
    const fields: Fields = Object.fromEntries([...data].map(([name, value]) => [name, String(value)]));
    this.busy.set(true);
    const said = await this.send()(fields).catch(() => 'Something unexpected happened. Please try again.');
    this.problem.set(said ?? '');
    this.busy.set(false);
  }
}
