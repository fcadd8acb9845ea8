// From sign-up to chat, and back: with CometChat well.
import { describe, expect, test } from 'vitest';
import { cometChat } from './support/cometchat.ts';
import { screenshot } from './support/screenshot.ts';
import { chatFact, chatOf, chatSays, logIn, signOut, signUp, visit } from './support/visitor.ts';

describe('Somebody who is new', () => {
  test('signs up and is logged in to chat, without another step', async () => {
    const ada = await visit({ deviceScaleFactor: 1.5 });
    ada.email = 'ada@example.com';
    await signUp(ada, 'Ada Lovelace', () => screenshot(ada.page, 'sign-up'));
    await chatSays(ada, 'You can chat');
    await ada.page.getByRole('heading', { name: 'Hello, Ada Lovelace' }).waitFor();
    expect(await chatFact(ada, 'Name at CometChat')).toBe('Ada Lovelace');
    await screenshot(ada.page, 'signed-in');

    const there = await cometChat.user(await chatFact(ada, 'uid'));
    expect(there.user.name).toBe('Ada Lovelace');
    expect(there.tokens).toHaveLength(1);
  });

  test('sees enough of the token to recognise it, and nowhere all of it', async () => {
    const ada = await visit();
    await signUp(ada, 'Ada Lovelace');
    await chatSays(ada, 'You can chat');
    const [token] = (await cometChat.user(await chatFact(ada, 'uid'))).tokens;
    const [start, end, ...rest] = (await chatFact(ada, 'Auth token')).split('…');
    expect(rest).toEqual([]);
    expect(start!.length + end!.length).toBeLessThan(token!.length / 2);
    expect(token!.startsWith(start!) && token!.endsWith(end!)).toBe(true);
    expect(await ada.page.content()).not.toContain(token);
  });

  test('is told when there is an account with this address already', async () => {
    const ada = await visit();
    await signUp(ada, 'Ada Lovelace');
    await chatSays(ada, 'You can chat');
    const again = await visit();
    again.email = ada.email;
    await signUp(again, 'Ada Again');
    await again.page.getByRole('alert').filter({ hasText: 'There is an account with this e-mail address' }).waitFor();
    again.forgiven.push(/Failed to load resource.*\/auth\/v1\/signup/);
  });
});

describe('With e-mail confirmation on', () => {
  test('somebody who signs up is asked to look for an e-mail', async () => {
    const ada = await visit();
    // The gateway has no e-mail: this is how Supabase Auth answers without a session.
    await ada.page.route('**/auth/v1/signup**', (route) =>
      route.fulfill({ json: { id: '6f1c0a52-3a6b-4b1e-9d0f-1d2c3b4a5968', aud: 'authenticated', email: ada.email } }),
    );
    await signUp(ada, 'Ada Lovelace');
    await ada.page.getByRole('status').filter({ hasText: `open the link that we sent to ${ada.email}` }).waitFor();
    await ada.page.getByRole('form', { name: 'Sign up' }).waitFor();
  });
});

describe('Somebody who is signed in', () => {
  test('still is after a reload, with the same token', async () => {
    const grace = await visit();
    await signUp(grace, 'Grace Hopper');
    await chatSays(grace, 'You can chat');
    const token = await chatFact(grace, 'Auth token');
    await grace.page.reload();
    await chatSays(grace, 'You can chat');
    expect(await chatFact(grace, 'Auth token')).toBe(token);
  });

  test('changes the display name, and CometChat has the new one', async () => {
    const grace = await visit();
    await signUp(grace, 'Grace Hopper');
    await chatSays(grace, 'You can chat');
    await grace.page.getByLabel('Display name').fill('Amazing Grace');
    await grace.page.getByRole('button', { name: 'Save' }).click();
    await chatOf(grace).getByRole('definition').filter({ hasText: 'Amazing Grace' }).waitFor();
    await grace.page.getByRole('heading', { name: 'Hello, Amazing Grace' }).waitFor();
    expect((await cometChat.user(await chatFact(grace, 'uid'))).user.name).toBe('Amazing Grace');
  });

  test('gets a new token on demand, and the old one stays good', async () => {
    const grace = await visit();
    await signUp(grace, 'Grace Hopper');
    await chatSays(grace, 'You can chat');
    const old = await chatFact(grace, 'Auth token');
    await grace.page.getByRole('button', { name: 'Get a new token' }).click();
    await chatOf(grace).getByText(old, { exact: true }).waitFor({ state: 'detached' });
    expect((await cometChat.user(await chatFact(grace, 'uid'))).tokens).toHaveLength(2);
  });

  test('signs out, and logs in again with the same token', async () => {
    const grace = await visit();
    await signUp(grace, 'Grace Hopper');
    await chatSays(grace, 'You can chat');
    const token = await chatFact(grace, 'Auth token');
    await signOut(grace);
    await logIn(grace);
    await chatSays(grace, 'You can chat');
    expect(await chatFact(grace, 'Auth token')).toBe(token);
  });

  test('signs out everywhere: no token is left, and the next log-in makes a new one', async () => {
    const grace = await visit();
    await signUp(grace, 'Grace Hopper');
    await chatSays(grace, 'You can chat');
    const [token, uid] = [await chatFact(grace, 'Auth token'), await chatFact(grace, 'uid')];
    await signOut(grace, { everywhere: true });
    await grace.page.getByRole('form', { name: 'Log in' }).waitFor();
    expect((await cometChat.user(uid)).tokens).toEqual([]);
    await logIn(grace);
    await chatSays(grace, 'You can chat');
    expect(await chatFact(grace, 'Auth token')).not.toBe(token);
  });

  test('is told in plain words that the password is wrong', async () => {
    const grace = await visit();
    await signUp(grace, 'Grace Hopper');
    await chatSays(grace, 'You can chat');
    await signOut(grace);
    await logIn({ ...grace, password: 'something else' });
    await grace.page.getByRole('alert').filter({ hasText: 'do not go together' }).waitFor();
    grace.forgiven.push(/Failed to load resource.*\/auth\/v1\/token/);
  });

  test('signs out of this device even if Supabase does not answer, but not of all: and is told so', async () => {
    const grace = await visit();
    await signUp(grace, 'Grace Hopper');
    await chatSays(grace, 'You can chat');
    const [token, uid] = [await chatFact(grace, 'Auth token'), await chatFact(grace, 'uid')];
    await grace.page.route('**/auth/v1/logout**', (route) => route.abort('connectionrefused'));
    await signOut(grace, { everywhere: true });
    await grace.page.getByRole('alert').filter({ hasText: 'Not signed out' }).waitFor();
    // The tokens were gone before Supabase was asked: whoever stays signed in gets a new one.
    await chatOf(grace).getByText(token, { exact: true }).waitFor({ state: 'detached' });
    await chatSays(grace, 'You can chat');
    expect((await cometChat.user(uid)).tokens).toHaveLength(1);
    await signOut(grace);
    await grace.page.getByRole('form', { name: 'Log in' }).waitFor();
    grace.forgiven.push(/Failed to load resource.*\/auth\/v1\/logout/);
  });

  test('is told in plain words why Supabase does not sign out everywhere', async () => {
    const grace = await visit();
    await signUp(grace, 'Grace Hopper');
    await chatSays(grace, 'You can chat');
    await grace.page.route('**/auth/v1/logout**', (route) =>
      route.fulfill({ status: 429, json: { error_code: 'over_request_rate_limit', msg: 'Request rate limit reached' } }),
    );
    await signOut(grace, { everywhere: true });
    await grace.page.getByRole('alert').filter({ hasText: 'Not signed out. That was too often.' }).waitFor();
    grace.forgiven.push(/Failed to load resource.*\/auth\/v1\/logout/);
  });
});
