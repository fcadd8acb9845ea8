// What every example must do, whatever it is made with: a browser goes through it from sign-up to sign-out.
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { apps, startBackend, type AppName, type Backend, type Page } from '../apps.ts';
import { controlOf } from './cometchat.ts';
import { openBrowser, Visitor } from './visitor.ts';

/** The console names every request that failed; those to a CometChat that says no are meant to. */
const LOG_IN_AT_COMETCHAT = /Failed to load resource.*\/local-cometchat\/me/;
const APP = { appId: '2790000000000example', region: 'eu' };

export interface Tour {
  /** Of the test that runs. */
  readonly visitor: Visitor;
  readonly page: string;
}

/** Defines the tests. `more` defines an example's own ones. */
export function tour(name: AppName, { kit = true, more = (_: Tour) => {} } = {}) {
  let backend: Backend;
  let app: Page;
  let browser: Browser;
  let ada: Visitor;

  beforeAll(async () => {
    backend = await startBackend();
    app = await apps[name](backend);
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await app?.stop();
    await backend?.stop();
  });
  beforeEach(async () => {
    ada = await Visitor.open(browser, app.page);
  });
  afterEach(async () => {
    await ada.leave();
    await controlOf(backend).comeUp();
    expect(ada.errors, 'errors in the browser’s console').toEqual([]);
  });

  test('whoever signs up can chat, also after a reload, and a new name reaches CometChat', async () => {
    await ada.signUp('Ada Lovelace');
    await ada.chatSays('You can chat');
    await ada.picture(name);
    const uid = await ada.fact('uid').innerText();
    expect((await controlOf(backend).user(uid)).tokens).toHaveLength(1);

    await ada.page.reload();
    await ada.chatSays('You can chat');
    await ada.fillIn('Profile', 'Save', { 'Display name': 'Ada King' });
    await ada.fact('name').filter({ hasText: 'Ada King' }).waitFor();
    expect((await controlOf(backend).user(uid)).user.name).toBe('Ada King');
  });

  test('while CometChat is down a sign-up is queued, and chat follows by itself', async () => {
    await controlOf(backend).goDown();
    await ada.signUp('Lin Clark');
    await ada.chatSays('Chat is being set up…');
    await controlOf(backend).comeUp();
    await ada.chatSays('You can chat');
    ada.forgive(LOG_IN_AT_COMETCHAT);
  });

  test('whoever signs out everywhere leaves no token behind, and can log in again', async () => {
    await ada.signUp('Grace Hopper');
    await ada.chatSays('You can chat');
    const uid = await ada.fact('uid').innerText();
    await ada.page.getByLabel('Sign out everywhere').click();
    await ada.page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await ada.page.getByRole('form', { name: 'Log in' }).waitFor();
    expect((await controlOf(backend).user(uid)).tokens).toEqual([]);
    await ada.logIn();
    await ada.chatSays('You can chat');
    expect((await controlOf(backend).user(uid)).tokens).toHaveLength(1);
  });

  test('whoever is deactivated in CometChat’s dashboard is told that chat is closed', async () => {
    await ada.signUp('Mallory Archer');
    await ada.chatSays('You can chat');
    await controlOf(backend).deactivate(await ada.fact('uid').innerText());
    await ada.page.reload();
    await ada.chatSays('Chat is closed for you');
    await ada.page.getByRole('button', { name: 'Try now' }).waitFor();
    ada.forgive(LOG_IN_AT_COMETCHAT);
  });

  test('a wrong password is told, and nobody is signed in', async () => {
    await ada.fillIn('Log in', 'Log in with e-mail', { 'E-mail': ada.email, Password: 'something else' });
    await ada.page.getByRole('form', { name: 'Log in' }).getByRole('alert').filter({ hasText: /\S/ }).waitFor();
    ada.forgive(/Failed to load resource.*\/auth\/v1\/token/);
  });

  more({
    get visitor() { return ada; },
    get page() { return app.page; },
  });

  // The last one, as some builds replace the one before. CometChat is not there to answer: what the kit
  // asks for is looked at, and refused.
  test.runIf(kit)('with an app of CometChat’s the UI Kit is loaded, and takes the token there', async () => {
    const real = await apps[name](backend, APP);
    const rhea = await Visitor.open(browser, 'about:blank');
    try {
      const asked: { host: string; token: string | undefined }[] = [];
      await rhea.page.route(/cometchat\.io/, async (route) => {
        const request = route.request();
        asked.push({ host: new URL(request.url()).host, token: request.headers()['authtoken'] });
        await route.abort('connectionrefused');
      });
      await rhea.page.goto(real.page);
      await rhea.signUp('Rhea Real');
      await rhea.chatSays('Chat is away for a moment');
      const withToken = asked.filter(({ token }) => token);
      expect(new Set(withToken.map(({ host }) => host))).toEqual(new Set([`${APP.appId}.apiclient-${APP.region}.cometchat.io`]));
      const token = withToken[0]!.token!;
      expect((await controlOf(backend).user(token.split('_')[0]!)).tokens).toContain(token);
    } finally {
      await rhea.leave();
      await real.stop();
    }
  });
}
