// A person with a browser: a page of their own, what they do on it, and what they must not see.
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, inject } from 'vitest';

let browser: Browser;
const visitors: Visitor[] = [];

beforeAll(async () => {
  // Chromium's own sandbox does not work for root.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args });
});

afterAll(() => browser?.close());

afterEach(async () => {
  const errors = visitors.flatMap(({ errors, forgiven }) =>
    errors.filter((error) => !forgiven.some((about) => about.test(error))),
  );
  await Promise.all(visitors.splice(0).map((visitor) => visitor.page.context().close()));
  expect(errors, 'errors in the browser’s console').toEqual([]);
});

export interface Visitor {
  page: Page;
  email: string;
  password: string;
  /** What the console complained of. */
  errors: string[];
  /** What a test provokes on purpose. */
  forgiven: RegExp[];
}

let count = 0;

/** Somebody new, with the page open. */
export async function visit(options: BrowserContextOptions = {}, url = inject('addresses').page): Promise<Visitor> {
  const context = await browser.newContext({ viewport: { width: 1080, height: 720 }, ...options });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const visitor: Visitor = {
    page,
    email: `visitor-${process.pid}-${++count}@example.com`,
    password: 'correct horse battery staple',
    errors: [],
    forgiven: [],
  };
  page.on('console', (message) => {
    if (message.type() === 'error') visitor.errors.push(`${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => visitor.errors.push(String(error)));
  visitors.push(visitor);
  await page.goto(url);
  return visitor;
}

/** Fills in the form and sends it; `before` that, somebody may want to look. */
export async function signUp({ page, email, password }: Visitor, name: string, before = async () => {}) {
  const form = page.getByRole('form', { name: 'Sign up' });
  await form.getByLabel('Name').fill(name);
  await form.getByLabel('E-mail').fill(email);
  await form.getByLabel('Password').fill(password);
  await before();
  await form.getByRole('button', { name: 'Create account' }).click();
}

export async function logIn({ page, email, password }: Visitor) {
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
  const form = page.getByRole('form', { name: 'Log in' });
  await form.getByLabel('E-mail').fill(email);
  await form.getByLabel('Password').fill(password);
  await form.getByRole('button', { name: 'Log in with e-mail' }).click();
}

export async function signOut({ page }: Visitor, { everywhere = false } = {}) {
  await page.getByLabel('Sign out everywhere').setChecked(everywhere);
  await page.getByRole('button', { name: 'Sign out' }).click();
}

/** The card that says how chat is doing. */
export const chatOf = ({ page }: Visitor) => page.getByRole('region', { name: 'Chat' });

/** Waits for words on the chat card. */
export async function chatSays(visitor: Visitor, words: string | RegExp) {
  await chatOf(visitor).getByText(words).waitFor();
}

/** One of the facts on the chat card: "uid", "Auth token", "Name at CometChat". */
export async function chatFact(visitor: Visitor, term: string): Promise<string> {
  const row = chatOf(visitor).locator('dl > div').filter({ has: visitor.page.getByText(term, { exact: true }) });
  return row.getByRole('definition').innerText();
}
