// What is sent to the three functions, and that their answers arrive as they are.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LASTING, LATER, SOON } from '../src/codes.js';
import { createCometChatAuth, isTransient } from '../src/index.js';
import { ADA, Postgrest, QUEUED, REVOKED, SUCCESS } from './postgrest.js';

let postgrest: Postgrest;
beforeAll(async () => void (postgrest = await Postgrest.start()));
afterAll(() => postgrest.stop());

describe('what is sent', () => {
  const cases: [string, (client: ReturnType<Postgrest['client']>) => Promise<unknown>, string, object][] = [
    ['ensureUser() sends no arguments: the session decides', (c) => c.ensureUser(), 'cometchat_ensure_user', {}],
    ['ensureUser(null) sends none either', (c) => c.ensureUser(null), 'cometchat_ensure_user', {}],
    [
      'ensureUser({…}) sends what is given',
      (c) => c.ensureUser({ displayName: 'Ada' }),
      'cometchat_ensure_user',
      { display_name: 'Ada' },
    ],
    [
      'ensureUser({…}) sends all three',
      (c) => c.ensureUser({ userId: ADA, displayName: 'Ada', email: 'ada@example.com' }),
      'cometchat_ensure_user',
      { user_id: ADA, display_name: 'Ada', email: 'ada@example.com' },
    ],
    [
      'ensureUser(userId, displayName, email) sends the same',
      (c) => c.ensureUser(ADA, 'Ada', 'ada@example.com'),
      'cometchat_ensure_user',
      { user_id: ADA, display_name: 'Ada', email: 'ada@example.com' },
    ],
    [
      'a missing positional argument is left out',
      (c) => c.ensureUser(ADA, null, 'ada@example.com'),
      'cometchat_ensure_user',
      { user_id: ADA, email: 'ada@example.com' },
    ],
    [
      'a positional userId may be left to the session',
      (c) => c.ensureUser(undefined, 'Ada'),
      'cometchat_ensure_user',
      { display_name: 'Ada' },
    ],
    [
      'null and undefined are left out, an empty string is not',
      (c) => c.ensureUser({ userId: null, displayName: undefined, email: '' }),
      'cometchat_ensure_user',
      { email: '' },
    ],
    ['refreshToken() asks for the session', (c) => c.refreshToken(), 'cometchat_refresh_token', {}],
    ['refreshToken(userId) names somebody', (c) => c.refreshToken(ADA), 'cometchat_refresh_token', { user_id: ADA }],
    ['revokeTokens() asks for the session', (c) => c.revokeTokens(), 'cometchat_revoke_tokens', {}],
    ['revokeTokens(userId) names somebody', (c) => c.revokeTokens(ADA), 'cometchat_revoke_tokens', { user_id: ADA }],
  ];
  test.each(cases)('%s', async (_, call, name, body) => {
    postgrest.answers({ body: SUCCESS });
    await call(postgrest.client());
    expect(postgrest.requests).toMatchObject([{ function: name, method: 'POST' }]);
    expect(postgrest.requests[0]?.body).toEqual(body);
  });

  test('the session of the supabase-js client is what authorises', async () => {
    postgrest.answers({ body: SUCCESS });
    await postgrest.client().ensureUser();
    expect(postgrest.requests[0]?.headers).toMatchObject({ apikey: 'anon-key', authorization: 'Bearer anon-key' });
  });

  test('a client of another default schema is used through schema(…)', async () => {
    postgrest.answers({ body: SUCCESS });
    const answer = await createCometChatAuth(postgrest.supabase().schema('public')).ensureUser();
    expect(answer).toEqual(SUCCESS);
    expect(postgrest.requests[0]?.headers['content-profile']).toBe('public');
  });

  test('the methods can be taken off the client', async () => {
    postgrest.answers({ body: SUCCESS });
    const { ensureUser } = postgrest.client();
    expect(await ensureUser()).toEqual(SUCCESS);
  });
});

describe('what comes back', () => {
  test('ensureUser brings a token and a uid', async () => {
    postgrest.answers({ body: SUCCESS });
    expect(await postgrest.client().ensureUser()).toEqual(SUCCESS);
  });

  test('a success that says queued is a success, at once', async () => {
    postgrest.answers({ body: { ...SUCCESS, queued: true } });
    expect(await postgrest.client().ensureUser()).toEqual({ ...SUCCESS, queued: true });
    expect(postgrest.requests).toHaveLength(1);
  });

  test('revokeTokens brings a uid and no token', async () => {
    postgrest.answers({ body: REVOKED });
    expect(await postgrest.client().revokeTokens()).toEqual(REVOKED);
  });

  const codes = [...LATER, ...LASTING, 'A_CODE_OF_TOMORROW'];
  test.each(codes)('%s of the extension arrives as it is, and nothing is asked twice', async (errorCode) => {
    const refusal = { success: false, error: 'a phrase: DETAIL', errorCode };
    postgrest.answers({ body: refusal });
    expect(await postgrest.client().ensureUser()).toEqual(refusal);
    expect(postgrest.requests).toHaveLength(1);
  });

  test('which codes pass by themselves can be asked', () => {
    expect([...SOON, ...LATER].filter((code) => !isTransient(code))).toEqual([]);
    expect([...LASTING, 'ABORTED', 'A_CODE_OF_TOMORROW', ''].filter(isTransient)).toEqual([]);
  });

  test('fields that a newer extension adds do no harm', async () => {
    postgrest.answers({ body: { ...SUCCESS, expiresAt: 1 } });
    expect(await postgrest.client().ensureUser()).toMatchObject(SUCCESS);
  });

  const notAnswers: [string, unknown][] = [
    ['null', null],
    ['a list', [SUCCESS]],
    ['a word', '"success"'],
    ['an object without success', { authToken: 'x', cometchatUid: ADA }],
    ['a success without a token', REVOKED],
    ['a success without a uid', { success: true, authToken: 'x' }],
    ['a failure without a code', { success: false, error: 'x' }],
    ['a failure without a phrase', { success: false, errorCode: 'NETWORK' }],
    ['an HTML page', '<html>Welcome to our hotel</html>'],
    ['nothing at all', ''],
  ];
  test.each(notAnswers)('%s is no answer: API_ERROR, without quoting it', async (_, body) => {
    postgrest.answers({ body });
    const answer = await postgrest.client({ retry: false }).ensureUser();
    expect(answer).toMatchObject({ success: false, errorCode: 'API_ERROR' });
    expect(answer.error).toMatch(/^(Unexpected answer|Supabase answered with an error): HTTP 200$/);
  });
});

test('whatever is not a supabase-js client is refused when it is handed over', () => {
  expect(() => createCometChatAuth(undefined as never)).toThrow(TypeError);
  expect(() => createCometChatAuth({} as never)).toThrow(/createClient/);
});

test('a queued failure stays one for those who do not want repeats', async () => {
  postgrest.answers({ body: QUEUED });
  expect(await postgrest.client({ retry: false }).ensureUser()).toEqual(QUEUED);
  expect(postgrest.requests).toHaveLength(1);
});
