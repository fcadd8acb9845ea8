// Who a call is for: the session's user at its first request, whoever is signed in at a later one.
import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createCometChatAuth } from '../src/index.js';
import { ADA, Postgrest, QUEUED, SUCCESS, type Step } from './postgrest.js';

const BOB = '0b0b0b0b-3a6b-4b1e-9d0f-1d2c3b4a5968';
const CALLS = ['ensureUser', 'refreshToken', 'revokeTokens'] as const;

let postgrest: Postgrest;
/** What supabase-js has its session in. */
let stored: string | null;
/** What happens once a request has its token. */
let meanwhile: () => void;
beforeAll(async () => void (postgrest = await Postgrest.start()));
beforeEach(() => {
  stored = null;
  meanwhile = () => {};
});
afterAll(() => postgrest.stop());

/** A session's token, with a name that has `-` and `_` in its base64. */
function tokenOf(sub: string | undefined): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'HS256' })}.${part({ user_metadata: { name: 'Åda~~ÿ>>>???' }, sub })}.signature`;
}

function signIn(sub: string | undefined): void {
  const session = { access_token: tokenOf(sub), refresh_token: 'r', expires_in: 3600, token_type: 'bearer' };
  stored = JSON.stringify({ ...session, expires_at: Math.floor(Date.now() / 1000) + 3600, user: { id: sub } });
}

/** Real supabase-js, which reads its session for each request. */
function supabase(): SupabaseClient {
  const storage = {
    getItem: () => stored,
    setItem: (_: string, value: string) => void (stored = value),
    removeItem: () => void (stored = null),
  };
  return createClient(postgrest.url, 'anon-key', {
    auth: { storage, autoRefreshToken: false },
    global: {
      fetch: (...args) => {
        meanwhile();
        return fetch(...args);
      },
    },
  });
}

const client = (of: Parameters<typeof createCometChatAuth>[0] = supabase()) =>
  createCometChatAuth(of, { retryDelayMs: 5, deadlineMs: 5000 });
/** Of each request: whom its body names, and whose token it had. */
const asked = () => postgrest.requests.map(({ body, headers }) => [
  (body as { user_id?: string }).user_id,
  [ADA, BOB].find((id) => headers.authorization === `Bearer ${tokenOf(id)}`),
]);

describe('somebody else signs in while a call is being repeated', () => {
  const cases: [(typeof CALLS)[number], string, Step][] = [
    ['ensureUser', 'that is queued', { body: QUEUED }],
    ...CALLS.map((name): [typeof name, string, Step] => [name, 'whose answer got lost', 'reset']),
  ];
  test.each(cases)('%s %s is repeated for the first, with a token that the extension refuses', async (name, _, step) => {
    const refusal = { success: false, error: 'Unauthorized', errorCode: 'UNAUTHORIZED' };
    postgrest.answers(step, { body: refusal });
    signIn(ADA);
    meanwhile = () => signIn(BOB);
    expect(await client()[name]()).toEqual(refusal);
    expect(asked()).toEqual([[ADA, ADA], [ADA, BOB]]);
  });

  test('the next call is for the second', async () => {
    postgrest.answers({ body: SUCCESS });
    const cometchat = client();
    for (const id of [ADA, BOB]) {
      signIn(id);
      await cometchat.ensureUser();
    }
    expect(asked()).toEqual([[ADA, ADA], [BOB, BOB]]);
  });
});

describe('nobody is named', () => {
  beforeEach(() => postgrest.answers({ body: SUCCESS }));

  test.each(CALLS)('by %s when nobody is signed in', async (name) => {
    await client()[name]();
    expect(postgrest.requests[0]?.body).toEqual({});
  });

  test('by a session whose token names nobody, or is none', async () => {
    signIn(undefined);
    await client().ensureUser();
    stored = stored!.replace(tokenOf(undefined), 'opaque');
    await client().ensureUser();
    expect(postgrest.requests.map(({ body }) => body)).toEqual([{}, {}]);
  });

  test('by a client that has no auth, or must not be asked for it', async () => {
    signIn(ADA);
    await client(supabase().schema('public')).ensureUser();
    await client(createClient(postgrest.url, 'anon-key', { accessToken: async () => tokenOf(ADA) })).ensureUser();
    expect(asked()).toEqual([[undefined, ADA], [undefined, ADA]]);
  });

  test('when the session cannot be read', async () => {
    const of = postgrest.supabase();
    vi.spyOn(of.auth, 'getSession').mockRejectedValueOnce(new Error('the storage is broken'));
    expect(await client(of).ensureUser()).toEqual(SUCCESS);
    expect(postgrest.requests[0]?.body).toEqual({});
  });
});

test('a userId of the caller goes before the session', async () => {
  postgrest.answers({ body: SUCCESS });
  signIn(ADA);
  await client().refreshToken(BOB);
  expect(asked()).toEqual([[BOB, ADA]]);
});

test('a session that never comes ends at the deadline, and by the signal', async () => {
  const of = postgrest.supabase();
  vi.spyOn(of.auth, 'getSession').mockReturnValue(new Promise(() => {}));
  const cometchat = createCometChatAuth(of, { deadlineMs: 30 });
  expect(await cometchat.ensureUser()).toMatchObject({ errorCode: 'TIMEOUT' });
  const signal = AbortSignal.timeout(10);
  expect(await cometchat.revokeTokens(null, { signal, deadlineMs: 5000 })).toMatchObject({ errorCode: 'ABORTED' });
});

test('on a server, where supabase-js warns of session.user, it says nothing', async () => {
  postgrest.answers({ body: SUCCESS });
  signIn(ADA);
  const warn = vi.spyOn(console, 'warn').mockReturnValue();
  const storage = { getItem: () => stored, setItem: () => {}, removeItem: () => {}, isServer: true };
  await client(createClient(postgrest.url, 'anon-key', { auth: { storage, autoRefreshToken: false } })).ensureUser();
  expect(asked()).toEqual([[ADA, ADA]]);
  expect(warn).not.toHaveBeenCalled();
  warn.mockRestore();
});
