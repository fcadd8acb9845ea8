// With CometChat down, or with a token that it no longer takes: what the page says, and how it recovers.
import { afterEach, describe, expect, test } from 'vitest';
import { cometChat } from './support/cometchat.ts';
import { screenshot } from './support/screenshot.ts';
import { chatFact, chatOf, chatSays, logIn, signOut, signUp, visit, type Visitor } from './support/visitor.ts';

afterEach(() => cometChat.comeUp());

/** The console names every request that failed; those to a CometChat that is down are meant to. */
const LOG_IN_AT_COMETCHAT = /Failed to load resource.*\/local-cometchat\/me/;

async function somebodyInChat(name: string): Promise<Visitor> {
  const visitor = await visit();
  await signUp(visitor, name);
  await chatSays(visitor, 'You can chat');
  return visitor;
}

describe('While CometChat is down', () => {
  test('a sign-up succeeds, chat is being set up, and is there once CometChat is back, without a click', async () => {
    await cometChat.goDown();
    const lin = await visit({ deviceScaleFactor: 1.5 });
    lin.email = 'lin@example.com';
    await signUp(lin, 'Lin Clark');
    await lin.page.getByRole('heading', { name: 'Hello, Lin Clark' }).waitFor();
    await chatSays(lin, 'Chat is being set up…');
    await chatOf(lin).getByRole('status').filter({ hasText: 'Trying again' }).waitFor();
    await screenshot(lin.page, 'queued');

    await cometChat.comeUp();
    await chatSays(lin, 'You can chat');
    expect(await chatFact(lin, 'Name at CometChat')).toBe('Lin Clark');
    lin.forgiven.push(LOG_IN_AT_COMETCHAT);
  });

  test('whoever does not want to wait tries again with a button', async () => {
    const lin = await somebodyInChat('Lin Clark');
    await cometChat.goDown();
    // The page's time stands still, so that it does not try again by itself before the click.
    const { clock } = lin.page;
    const inAMinute = Date.now() + 60_000;
    await clock.install();
    await clock.pauseAt(inAMinute);
    await lin.page.reload();
    const retry = lin.page.getByRole('button', { name: 'Try now' });
    await retry.waitFor();
    await cometChat.comeUp();
    await retry.click();
    await chatSays(lin, 'You can chat');
    lin.forgiven.push(LOG_IN_AT_COMETCHAT);
  });

  test('a new name is kept, and CometChat gets it afterwards', async () => {
    const lin = await somebodyInChat('Lin Clark');
    const uid = await chatFact(lin, 'uid');
    await cometChat.goDown();
    await lin.page.getByLabel('Display name').fill('Lin the Second');
    await lin.page.getByRole('button', { name: 'Save' }).click();
    await lin.page.getByRole('heading', { name: 'Hello, Lin the Second' }).waitFor();
    await lin.page.getByRole('button', { name: 'Try now' }).waitFor();
    await cometChat.comeUp();
    await chatOf(lin).getByRole('definition').filter({ hasText: 'Lin the Second' }).waitFor();
    expect((await cometChat.user(uid)).user.name).toBe('Lin the Second');
    lin.forgiven.push(LOG_IN_AT_COMETCHAT);
  });

  test('signing out works all the same', async () => {
    const lin = await somebodyInChat('Lin Clark');
    await cometChat.goDown();
    await signOut(lin);
    await lin.page.getByRole('form', { name: 'Log in' }).waitFor();
  });

  test('the switch of the playground waits until it knows how things are', async () => {
    const lin = await visit();
    let answer = () => {};
    const mayAnswer = new Promise<void>((resolve) => (answer = resolve));
    await lin.page.route('**/local-cometchat/listener', async (route) => {
      await mayAnswer;
      await route.fulfill({ json: { state: 'closed' } });
    });
    await lin.page.reload();
    const toggle = lin.page.getByRole('switch', { name: 'Local CometChat is up' });
    await toggle.waitFor();
    // A click now would be undone by the answer.
    expect(await toggle.isDisabled()).toBe(true);
    answer();
    await lin.page.getByRole('switch', { name: 'Local CometChat is up', disabled: false }).waitFor();
    expect(await toggle.isChecked()).toBe(false);
  });

  test('the switch of the playground can be used though nobody knows how things are', async () => {
    const lin = await visit();
    await lin.page.route('**/local-cometchat/listener', (route) => route.abort());
    await lin.page.reload();
    await lin.page.getByRole('switch', { name: 'Local CometChat is up', disabled: false }).waitFor();
    lin.forgiven.push(/Failed to (load resource|fetch)/);
  });

  test('the switch of the playground shows it, and ends it', async () => {
    const lin = await visit();
    await lin.page.getByRole('switch', { name: 'Local CometChat is up' }).uncheck();
    await signUp(lin, 'Lin Clark');
    await chatSays(lin, 'Chat is being set up…');
    await lin.page.getByRole('switch', { name: 'Local CometChat is up' }).check();
    await chatSays(lin, 'You can chat');
    lin.forgiven.push(LOG_IN_AT_COMETCHAT);
  });
});

describe('When CometChat no longer takes the stored token', () => {
  test('because the user was deleted there, the page makes them anew and is logged in', async () => {
    const lin = await somebodyInChat('Lin Clark');
    const uid = await chatFact(lin, 'uid');
    await cometChat.deleteUser(uid);
    await lin.page.reload();
    await chatSays(lin, 'You can chat');
    const there = await cometChat.user(uid);
    expect(there.user.name).toBe('Lin Clark');
    expect(there.tokens.some((token) => token.startsWith(uid))).toBe(true);
    lin.forgiven.push(LOG_IN_AT_COMETCHAT);
  });

  test('because its tokens were flushed there, the page gets a new one and is logged in', async () => {
    const lin = await somebodyInChat('Lin Clark');
    const uid = await chatFact(lin, 'uid');
    const old = await chatFact(lin, 'Auth token');
    await cometChat.flushTokens(uid);
    await lin.page.reload();
    await chatSays(lin, 'You can chat');
    expect(await chatFact(lin, 'Auth token')).not.toBe(old);
    expect((await cometChat.user(uid)).tokens).toHaveLength(1);
    lin.forgiven.push(LOG_IN_AT_COMETCHAT);
  });

  test('because of a “sign out everywhere” on the phone, the laptop is in chat again at its next log-in', async () => {
    const phone = await somebodyInChat('Lin Clark');
    const old = await chatFact(phone, 'Auth token');
    const laptop = await visit();
    laptop.email = phone.email;
    await logIn(laptop);
    await chatSays(laptop, 'You can chat');
    expect(await chatFact(laptop, 'Auth token')).toBe(old);
    await signOut(phone, { everywhere: true });
    await phone.page.getByRole('form', { name: 'Log in' }).waitFor();
    await signOut(laptop);
    await logIn(laptop);
    await chatSays(laptop, 'You can chat');
    expect(await chatFact(laptop, 'Auth token')).not.toBe(old);
    // Its session had been ended from afar: Supabase says so, and supabase-js takes that for an answer.
    laptop.forgiven.push(/403.*\/auth\/v1\/logout/);
  });
});
