// A browser walks through the Next.js app: sign-up, reload, profile, outage, sign-out everywhere, log-in.
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { startStack, type Stack } from './stack.ts';

let stack: Stack;
let browser: Browser;
let page: Page;
let errors: string[];
let email: string;
let count = 0;

beforeAll(async () => {
  stack = await startStack();
  // Chromium's own sandbox does not work for root.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args });
});
afterAll(async () => {
  await browser?.close();
  await stack?.stop();
});
beforeEach(async () => {
  page = await (await browser.newContext({ viewport: { width: 720, height: 800 } })).newPage();
  page.setDefaultTimeout(20_000);
  errors = [];
  email = `next-${process.pid}-${++count}@example.com`;
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  await page.goto(stack.page);
});
afterEach(async () => {
  await page.context().close();
  expect(errors, 'errors in the browser’s console').toEqual([]);
});

const reachable = (state: 'open' | 'closed') =>
  fetch(`${stack.control}/listener`, { method: 'PUT', body: JSON.stringify({ state }) });
const chatSays = (words: string) => page.getByRole('region', { name: 'Chat' }).getByText(words).waitFor();

async function fillIn(form: string, button: string, fields: Record<string, string>) {
  const within = page.getByRole('form', { name: form });
  for (const [label, value] of Object.entries(fields)) await within.getByLabel(label).fill(value);
  await within.getByRole('button', { name: button }).click();
}
const signUp = (name: string) =>
  fillIn('Sign up', 'Create account', { Name: name, 'E-mail': email, Password: 'correct horse' });

test('who signs up can chat; the server knows them after a reload; a new name reaches CometChat', async () => {
  await signUp('Ada Lovelace');
  await chatSays('You can chat');
  if (process.env.UPDATE_SCREENSHOTS === '1') await page.screenshot({ path: '../../docs/images/nextjs.png' });

  const html = await (await page.context().request.get(stack.page)).text();
  expect(html, 'rendered on the server').toContain('Hello, <!-- -->Ada Lovelace');
  const uid = await page.locator('[data-fact=uid]').innerText();
  expect(html, 'the token of chat stays out of the page').not.toContain(`${uid}_`);

  await page.reload();
  await chatSays('You can chat');
  await fillIn('Profile', 'Save', { 'Display name': 'Ada King' });
  await page.locator('[data-fact=name]', { hasText: 'Ada King' }).waitFor();
});

test('while CometChat is down a sign-up is queued, and chat follows by itself', async () => {
  await reachable('closed');
  try {
    await signUp('Lin Clark');
    await chatSays('Chat is being set up…');
  } finally {
    await reachable('open');
  }
  await chatSays('You can chat');
  errors = errors.filter((error) => !/502/.test(error)); // the local CometChat that is down
});

test('who signed out everywhere and logs in again can chat again', async () => {
  await signUp('Grace Hopper');
  await chatSays('You can chat');
  await page.getByLabel('Sign out everywhere').check();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await fillIn('Log in', 'Log in with e-mail', { 'E-mail': email, Password: 'correct horse' });
  await chatSays('You can chat');
});
