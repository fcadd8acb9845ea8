// What is asked again and what is not, over real HTTP; and how a call ends before its answer.
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { createCometChatAuth } from '../src/index.js';
import { Postgrest, postgrestError, QUEUED, REVOKED, SUCCESS, until, type Step } from './postgrest.js';

let postgrest: Postgrest;
beforeAll(async () => void (postgrest = await Postgrest.start()));
afterEach(() => void vi.restoreAllMocks());
afterAll(() => postgrest.stop());

const CROWDED = { success: false, error: 'Too many requests', errorCode: 'RATE_LIMITED' };
const gateway = (status: number): Step => ({ status, body: 'a page' });

/** An abort controller whose signal says who still listens to it. */
function watched(): { controller: AbortController; listeners: () => number } {
  const controller = new AbortController();
  const added = vi.spyOn(controller.signal, 'addEventListener');
  const removed = vi.spyOn(controller.signal, 'removeEventListener');
  return { controller, listeners: () => added.mock.calls.length - removed.mock.calls.length };
}

describe('ensureUser asks again', () => {
  test('while the user is queued, until the worker has the token', async () => {
    postgrest.answers({ body: QUEUED }, { body: QUEUED }, { body: SUCCESS });
    expect(await postgrest.client().ensureUser({ displayName: 'Ada' })).toEqual(SUCCESS);
    expect(postgrest.requests.map((request) => request.body)).toEqual(Array(3).fill({ display_name: 'Ada' }));
  });

  test('when it was one of too many at once', async () => {
    postgrest.answers({ body: CROWDED }, { body: SUCCESS });
    expect(await postgrest.client().ensureUser()).toEqual(SUCCESS);
  });

  test("after a gateway's rate limit", async () => {
    postgrest.answers(gateway(429), { body: SUCCESS });
    expect(await postgrest.client().ensureUser()).toEqual(SUCCESS);
  });

  test('until the answer is another: a refusal is final', async () => {
    const refusal = { success: false, error: 'The user is deactivated in CometChat', errorCode: 'USER_DEACTIVATED' };
    postgrest.answers({ body: QUEUED }, { body: refusal }, { body: SUCCESS });
    expect(await postgrest.client().ensureUser()).toEqual(refusal);
    expect(postgrest.requests).toHaveLength(2);
  });

  test('and at the deadline says what the extension said last', async () => {
    postgrest.answers({ body: QUEUED }, 'hang');
    expect(await postgrest.client({ deadlineMs: 5000 }).ensureUser()).toEqual(QUEUED);
    expect(postgrest.requests).toHaveLength(2);
  });

  test('and at the deadline still says queued, whatever went wrong after that', async () => {
    postgrest.answers({ body: QUEUED }, 'reset', { body: CROWDED }, 'hang');
    expect(await postgrest.client({ deadlineMs: 5000 }).ensureUser()).toEqual(QUEUED);
    expect(postgrest.requests).toHaveLength(4);
  });

  test('but does not wait for a repeat that would come after the deadline', async () => {
    postgrest.answers({ body: QUEUED }, { body: SUCCESS });
    expect(await postgrest.client({ retryDelayMs: 60_000 }).ensureUser()).toEqual(QUEUED);
    expect(postgrest.requests).toHaveLength(1);
  });
});

describe.each(['ensureUser', 'refreshToken', 'revokeTokens'] as const)('%s asks again', (name) => {
  const passing: [string, Step][] = [
    ['a connection that broke', 'reset'],
    ['a serialization failure', postgrestError(400, '40001')],
    ['a deadlock', postgrestError(400, '40P01')],
    ['too many connections', postgrestError(503, '53300')],
    ['a lost connection to the database', postgrestError(503, '08006')],
    ['a restart of the database', postgrestError(503, '57P01')],
    ['a PostgREST without a database', postgrestError(503, 'PGRST001')],
    ['a full pool', postgrestError(504, 'PGRST003')],
    ['a bad gateway', gateway(502)],
    ['an unavailable service', gateway(503)],
    ['a gateway timeout', gateway(504)],
    ['a request that took too long to arrive', gateway(408)],
    ...[520, 521, 522, 523, 524].map((status): [string, Step] => [`a proxy's ${status}`, gateway(status)]),
  ];
  test.each(passing)('after %s', async (_, step) => {
    postgrest.answers(step, { body: SUCCESS });
    expect(await postgrest.client()[name]()).toEqual(SUCCESS);
    expect(postgrest.requests).toHaveLength(2);
  });

  const lasting: [string, Step][] = [
    ['a missing privilege', postgrestError(403, '42501')],
    ['a missing function', postgrestError(404, 'PGRST202')],
    ['bad input', postgrestError(400, '22P02')],
    ['a statement timeout', postgrestError(500, '57014')],
    ['a read-only transaction', postgrestError(405, '25006')],
    ['an internal error', postgrestError(500, 'XX000')],
    ['an answer that is none', { body: '"hello"' }],
    ["a gateway's code that begins like a SQLSTATE", { status: 400, body: { code: 400 } }],
  ];
  test.each(lasting)('but not after %s', async (_, step) => {
    postgrest.answers(step, { body: SUCCESS });
    expect(await postgrest.client()[name]()).toMatchObject({ success: false });
    expect(postgrest.requests).toHaveLength(1);
  });

  test('but not when retry is false', async () => {
    postgrest.answers('reset', { body: SUCCESS });
    expect(await postgrest.client({ retry: false })[name]()).toMatchObject({ errorCode: 'NETWORK' });
    expect(postgrest.requests).toHaveLength(1);
  });
});

describe('the extension has the last word', () => {
  test.each(['refreshToken', 'revokeTokens'] as const)('and so has a gateway with its rate limit, for %s', async (name) => {
    postgrest.answers(gateway(429), { body: SUCCESS });
    expect(await postgrest.client()[name]()).toMatchObject({ errorCode: 'RATE_LIMITED' });
    expect(postgrest.requests).toHaveLength(1);
  });

  test('refreshToken repeats none of its answers: each may cost a request to CometChat', async () => {
    for (const refusal of [CROWDED, { ...QUEUED, queued: undefined }]) {
      postgrest.answers({ body: refusal }, { body: SUCCESS });
      expect(await postgrest.client().refreshToken()).toEqual(JSON.parse(JSON.stringify(refusal)));
      expect(postgrest.requests).toHaveLength(1);
    }
  });

  test('revokeTokens repeats none: a late repeat would log out who has just logged in', async () => {
    for (const refusal of [CROWDED, QUEUED]) {
      postgrest.answers({ body: refusal }, { body: REVOKED });
      expect(await postgrest.client().revokeTokens()).toEqual(refusal);
      expect(postgrest.requests).toHaveLength(1);
    }
  });
});

describe('the deadline', () => {
  test('ends a request that is never answered: TIMEOUT', async () => {
    postgrest.answers('hang');
    expect(await postgrest.client({ deadlineMs: 30 }).ensureUser()).toEqual({
      success: false,
      errorCode: 'TIMEOUT',
      error: 'Supabase did not answer in time',
    });
  });

  test('ends a call whose fetch does not listen to signals', async () => {
    const deaf: typeof fetch = () => new Promise(() => {});
    const client = createCometChatAuth(postgrest.supabase({ fetch: deaf }), { deadlineMs: 30 });
    expect(await client.ensureUser()).toMatchObject({ errorCode: 'TIMEOUT' });
  });

  test('of one call wins over the one of the client', async () => {
    postgrest.answers('hang');
    const client = postgrest.client({ deadlineMs: 60_000 });
    expect(await client.ensureUser({}, { deadlineMs: 30 })).toMatchObject({ errorCode: 'TIMEOUT' });
    expect(await client.ensureUser(null, null, null, { deadlineMs: 30 })).toMatchObject({ errorCode: 'TIMEOUT' });
    expect(await client.refreshToken(null, { deadlineMs: 30 })).toMatchObject({ errorCode: 'TIMEOUT' });
    expect(await client.revokeTokens(null, { deadlineMs: 30 })).toMatchObject({ errorCode: 'TIMEOUT' });
  });

  test.each([Number.POSITIVE_INFINITY, 2 ** 40])('may be as far away as %d', async (deadlineMs) => {
    postgrest.answers({ body: QUEUED }, { body: SUCCESS });
    expect(await postgrest.client({ deadlineMs }).ensureUser()).toEqual(SUCCESS);
  });
});

describe('a signal', () => {
  const ABORTED = { success: false, errorCode: 'ABORTED', error: 'Aborted' };

  test('that is aborted already: nothing is sent', async () => {
    postgrest.answers({ body: SUCCESS });
    expect(await postgrest.client().ensureUser({}, { signal: AbortSignal.abort() })).toEqual(ABORTED);
    expect(postgrest.requests).toHaveLength(0);
  });

  test('ends a request in flight, and the server sees it go', async () => {
    postgrest.answers('hang');
    const { controller, listeners } = watched();
    const answer = postgrest.client().ensureUser({}, { signal: controller.signal });
    await until(() => postgrest.requests.length === 1);
    expect(listeners()).toBe(1);
    controller.abort();
    expect(await answer).toEqual(ABORTED);
    expect(listeners(), 'nobody listens any more').toBe(0);
    await until(() => postgrest.openRequests === 0);
  });

  test('ends the wait before a repeat, and no repeat follows', async () => {
    postgrest.answers({ body: QUEUED });
    const { controller, listeners } = watched();
    const answer = postgrest.client({ retryDelayMs: 60_000, deadlineMs: 600_000 }).ensureUser({}, { signal: controller.signal });
    await until(() => postgrest.requests.length === 1 && postgrest.openRequests === 0);
    controller.abort();
    expect(await answer).toEqual(ABORTED);
    expect(listeners()).toBe(0);
    expect(postgrest.requests).toHaveLength(1);
  });

  test('is let go when the answer is there', async () => {
    postgrest.answers({ body: QUEUED }, { body: SUCCESS });
    const { controller, listeners } = watched();
    expect(await postgrest.client().ensureUser({}, { signal: controller.signal })).toEqual(SUCCESS);
    expect(listeners()).toBe(0);
  });

  test('serves all three functions', async () => {
    const signal = AbortSignal.abort();
    expect(await postgrest.client().refreshToken(null, { signal })).toEqual(ABORTED);
    expect(await postgrest.client().revokeTokens(null, { signal })).toEqual(ABORTED);
    expect(await postgrest.client().ensureUser(undefined, 'Ada', null, { signal })).toEqual(ABORTED);
  });
});
