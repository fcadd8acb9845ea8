// How chat follows the session from one person to the next, and that whoever follows it can stop, as a
// component does that goes away: nothing is left behind.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { followSession, type Chat, type ChatState, type SessionClient } from '../src/session.js';

const TOKEN = { success: true, authToken: 'token', cometchatUid: 'ada' };
const UNAUTHORIZED = { success: false, error: 'Unauthorized: PGRST303', errorCode: 'UNAUTHORIZED' };
const QUEUED = { success: false, error: 'CometChat could not be reached', errorCode: 'NETWORK', queued: true };

let seen: ChatState['status'][];
let logIn: ReturnType<typeof vi.fn<Chat['logIn']>>;
let logOut: ReturnType<typeof vi.fn<Chat['logOut']>>;
let rpc: ReturnType<typeof vi.fn>;
let answer: (data: object) => void;
let subscribers: Set<(event: string, session: { user: { id: string } }) => void>;

/** A session in Supabase's way, and a database that answers when the test says so. */
function follow() {
  const onAuthStateChange = (callback: Parameters<(typeof subscribers)['add']>[0]) => {
    subscribers.add(callback);
    return { data: { subscription: { unsubscribe: () => subscribers.delete(callback) } } };
  };
  const supabase = { auth: { onAuthStateChange }, rpc } as unknown as SessionClient;
  const following = followSession(supabase, { logIn, logOut }, ({ status }) => seen.push(status));
  emit('INITIAL_SESSION', 'ada');
  return following;
}

function emit(event: string, id: string) {
  for (const subscriber of subscribers) subscriber(event, { user: { id } });
}

const asked = (times: number) => vi.waitFor(() => expect(rpc).toHaveBeenCalledTimes(times));
/** Lets everything happen that was going to. */
const settle = () => vi.advanceTimersByTimeAsync(120_000);

beforeEach(() => {
  vi.useFakeTimers();
  seen = [];
  subscribers = new Set();
  logIn = vi.fn(async (_token, uid) => ({ uid, name: 'Ada Lovelace' }));
  logOut = vi.fn(async () => {});
  rpc = vi.fn(() => ({
    abortSignal: () => new Promise((resolve) => {
      answer = (data) => resolve({ data, error: null, status: 200 });
    }),
  }));
});
afterEach(() => void vi.useRealTimers());

test('before it stops, it logs in, and again at every wish', async () => {
  const { retry } = follow();
  await asked(1);
  answer(TOKEN);
  await vi.waitFor(() => expect(seen).toEqual(['connecting', 'connected']));
  retry();
  await asked(2);
});

test('whoever signs in while somebody else is signed in finds that one logged out of chat', async () => {
  follow();
  await asked(1);
  answer(TOKEN);
  await vi.waitFor(() => expect(seen).toEqual(['connecting', 'connected']));
  logOut.mockRejectedValueOnce(new Error('CometChat could not be reached'));
  vi.spyOn(console, 'warn').mockReturnValueOnce();
  emit('SIGNED_IN', 'bob');
  await asked(2);
  expect(logOut).toHaveBeenCalledTimes(1);
  answer({ ...TOKEN, cometchatUid: 'bob' });
  await vi.waitFor(() => expect(seen).toEqual(['connecting', 'connected', 'connecting', 'connected']));
  expect(logIn.mock.calls.map(([, uid]) => uid)).toEqual(['ada', 'bob']);
  expect(logOut).toHaveBeenCalledTimes(1);
});

test('whoever is still signed in after a reload is not logged out, which would cost the token', async () => {
  follow();
  await asked(1);
  answer(TOKEN);
  await settle();
  expect(logOut).not.toHaveBeenCalled();
});

test('a session that is good again connects who was refused, and only them', async () => {
  follow();
  await asked(1);
  answer(UNAUTHORIZED);
  await vi.waitFor(() => expect(seen).toEqual(['connecting', 'failed']));
  emit('SIGNED_IN', 'ada');
  await settle();
  expect(rpc).toHaveBeenCalledTimes(1);
  emit('TOKEN_REFRESHED', 'ada');
  await asked(2);
  answer(TOKEN);
  await vi.waitFor(() => expect(seen).toEqual(['connecting', 'failed', 'connecting', 'connected']));
  emit('TOKEN_REFRESHED', 'ada');
  await settle();
  expect(rpc).toHaveBeenCalledTimes(2);
});

test('an answer that comes after the stop logs nobody in, and is not shown', async () => {
  const { stop } = follow();
  await asked(1);
  stop();
  answer(TOKEN);
  await settle();
  expect(seen).toEqual(['connecting']);
  expect(logIn).not.toHaveBeenCalled();
});

test('a retry that was to come does not', async () => {
  const { stop } = follow();
  await asked(1);
  answer(QUEUED);
  await vi.waitFor(() => expect(seen).toEqual(['connecting', 'waiting']));
  expect(vi.getTimerCount()).toBe(1);
  stop();
  expect(vi.getTimerCount()).toBe(0);
});

test('nobody listens to the session any more, and neither button does anything', async () => {
  const { stop, retry, newToken } = follow();
  await asked(1);
  stop();
  expect(subscribers.size).toBe(0);
  retry();
  newToken();
  await settle();
  expect(rpc).toHaveBeenCalledTimes(1);
  expect(seen).toEqual(['connecting']);
});
