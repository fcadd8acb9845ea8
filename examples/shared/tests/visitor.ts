// A person with a browser: what they do on the page of an example, and what they must not see.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';

export async function openBrowser(): Promise<Browser> {
  // Chromium's own sandbox does not work for root.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args });
}

let count = 0;

export class Visitor {
  readonly email = `visitor-${process.pid}-${++count}@example.com`;
  readonly password = 'correct horse battery staple';
  /** What the console complained of. */
  errors: string[] = [];

  private constructor(readonly page: Page) {
    page.setDefaultTimeout(20_000);
    page.on('pageerror', (error) => this.errors.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') this.errors.push(`${message.text()} (${message.location().url})`);
    });
  }

  static async open(browser: Browser, url: string): Promise<Visitor> {
    const context = await browser.newContext({ viewport: { width: 720, height: 760 } });
    const visitor = new Visitor(await context.newPage());
    await visitor.page.goto(url);
    return visitor;
  }

  leave() {
    return this.page.context().close();
  }

  /** What a test provokes on purpose. */
  forgive(about: RegExp) {
    this.errors = this.errors.filter((error) => !about.test(error));
  }

  async fillIn(form: string, button: string, fields: Record<string, string>) {
    const within = this.page.getByRole('form', { name: form });
    for (const [label, value] of Object.entries(fields)) await within.getByLabel(label).fill(value);
    await within.getByRole('button', { name: button }).click();
  }

  signUp(name: string) {
    return this.fillIn('Sign up', 'Create account', { Name: name, 'E-mail': this.email, Password: this.password });
  }

  logIn() {
    return this.fillIn('Log in', 'Log in with e-mail', { 'E-mail': this.email, Password: this.password });
  }

  /** Waits for words on the chat card. */
  chatSays(words: string) {
    return this.page.getByRole('region', { name: 'Chat' }).getByText(words).waitFor();
  }

  /** What CometChat has, as the chat card shows it: the name or the uid. */
  fact(name: 'name' | 'uid') {
    return this.page.locator(`[data-fact=${name}], [data-testid=fact-${name}]`);
  }

  /** A picture of the documentation: only when it is asked for, with UPDATE_SCREENSHOTS=1. */
  async picture(name: string) {
    if (process.env.UPDATE_SCREENSHOTS !== '1') return;
    const path = join(import.meta.dirname, '..', '..', '..', 'docs', 'images', `${name}.png`);
    await this.page.screenshot({ path, animations: 'disabled', caret: 'hide' });
    const { size } = await stat(path);
    if (size > 100_000) throw new Error(`${path} has ${size} bytes`);
  }
}
