// What `uiKitChat` asks of a kit, when, and what it does with one that remembers somebody else.
import { expect, test, vi } from 'vitest';
import { uiKitChat } from '../src/session.js';

const user = (uid: string) => ({ getUid: () => uid, getName: () => uid.toUpperCase() });

/** A kit that, as CometChat's SDK does, answers with whoever is logged in already. */
function kit(remembered?: string) {
  let who = remembered;
  return {
    loginWithAuthToken: vi.fn(async (authToken: string) => user((who ??= authToken.split('_')[0]!))),
    getLoggedInUser: () => (who ? user(who) : null),
    logout: vi.fn(async () => void (who = undefined)),
  };
}

test('the kits of the web log in by loginWithAuthToken, and are loaded once', async () => {
  const ours = kit();
  const load = vi.fn(async () => ours);
  const chat = uiKitChat(load);
  expect(load).not.toHaveBeenCalled();
  expect(await chat.logIn('ada_1', 'ada')).toEqual({ uid: 'ada', name: 'ADA' });
  await chat.logOut();
  expect(ours.logout).toHaveBeenCalledTimes(1);
  await chat.logOut();
  expect(ours.logout, 'with nobody logged in').toHaveBeenCalledTimes(1);
  expect(load).toHaveBeenCalledTimes(1);
});

test("React Native's logs in by login({ authToken })", async () => {
  const login = vi.fn(async () => user('ada'));
  const chat = uiKitChat(async () => ({ login, logout: async () => {}, getLoggedInUser: () => null }));
  expect(await chat.logIn('ada_1', 'ada')).toEqual({ uid: 'ada', name: 'ADA' });
  expect(login).toHaveBeenCalledWith({ authToken: 'ada_1' });
});

test('whom a kit remembers from the last visit is logged out first', async () => {
  const ours = kit('bob');
  expect((await uiKitChat(async () => ours).logIn('ada_1', 'ADA')).uid).toBe('ada');
  expect(ours.logout).toHaveBeenCalledTimes(1);
});

test('a kit that logs in somebody else all the same does not count as logged in', async () => {
  const ours = { ...kit(), loginWithAuthToken: async () => user('bob') };
  await expect(uiKitChat(async () => ours).logIn('ada_1', 'ada')).rejects.toThrow('somebody else');
});

test('signing out ends the log-in of an earlier visit', async () => {
  const ours = kit('bob');
  await uiKitChat(async () => ours).logOut();
  expect(ours.logout).toHaveBeenCalledTimes(1);
});

test('a kit that could not be loaded is loaded again, and one without init says so', async () => {
  const load = vi.fn(async () => ({ loginWithAuthToken: () => undefined, logout: () => undefined }));
  load.mockRejectedValueOnce(new Error('the network'));
  const chat = uiKitChat(load);
  await expect(chat.logIn('ada_1', 'ada')).rejects.toThrow('the network');
  await expect(chat.logIn('ada_1', 'ada')).rejects.toThrow('await its init');
});

test("React Native's, which rejects when nobody is logged in, is not logged out then; another error is one", async () => {
  const native = (code: string) => ({
    login: async () => user('ada'),
    logout: vi.fn(async () => {}),
    getLoggedInUser: async () => { throw Object.assign(new Error('Login user not found'), { code }); },
  });
  const nobody = native('NOT_FOUND');
  await uiKitChat(async () => nobody).logOut();
  expect(nobody.logout).not.toHaveBeenCalled();
  await expect(uiKitChat(async () => native('ERR')).logOut()).rejects.toThrow('not found');
});
