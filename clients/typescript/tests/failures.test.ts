// What PostgREST, gateways and the network say, and the errorCode that it becomes.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCometChatAuth } from '../src/index.js';
import { Postgrest, postgrestError, type Step } from './postgrest.js';

let postgrest: Postgrest;
beforeAll(async () => void (postgrest = await Postgrest.start()));
afterAll(() => postgrest.stop());

const plain = (status: number, body = '<html>a page of the gateway</html>'): Step => ({ status, body });

describe.each<[string, string, Step, string]>([
  ['a missing EXECUTE privilege, signed in', 'UNAUTHORIZED', postgrestError(403, '42501'), 'Unauthorized: 42501'],
  ['a missing EXECUTE privilege, not signed in', 'UNAUTHORIZED', postgrestError(401, '42501'), 'Unauthorized: 42501'],
  ['a missing privilege, from a gateway with statuses of its own', 'UNAUTHORIZED', postgrestError(500, '42501'), 'Unauthorized: 42501'],
  ['an expired JWT', 'UNAUTHORIZED', postgrestError(401, 'PGRST303'), 'Unauthorized: PGRST303'],
  ['a JWT with a role that does not exist', 'UNAUTHORIZED', postgrestError(401, '22023'), 'Unauthorized: 22023'],
  ['a gateway that wants an API key', 'UNAUTHORIZED', plain(401, '{"message": "No API key found in request"}'), 'Unauthorized: HTTP 401'],
  ['a gateway that refuses', 'UNAUTHORIZED', plain(403), 'Unauthorized: HTTP 403'],
  ['a user id that is no uuid', 'INVALID_INPUT', postgrestError(400, '22P02'), 'Invalid input: 22P02'],
  ['any other bad value (class 22)', 'INVALID_INPUT', postgrestError(400, '22021'), 'Invalid input: 22021'],
  ['a function that is not there, by PostgREST', 'NOT_CONFIGURED', postgrestError(404, 'PGRST202'), 'PGRST202'],
  ['a function that is not there, by Postgres', 'NOT_CONFIGURED', postgrestError(404, '42883'), '42883'],
  ['two functions that fit', 'NOT_CONFIGURED', postgrestError(300, 'PGRST203'), 'PGRST203'],
  ['a schema that is not exposed', 'NOT_CONFIGURED', postgrestError(406, 'PGRST106'), 'PGRST106'],
  ['no PostgREST at that address', 'NOT_CONFIGURED', plain(404), 'HTTP 404'],
  ['no PostgREST at that address, without a word', 'NOT_CONFIGURED', plain(404, ''), 'HTTP 204'],
  ['a function that returns nothing', 'NOT_CONFIGURED', { status: 204 }, 'HTTP 204'],
  ['a read-only transaction', 'READ_ONLY', postgrestError(405, '25006'), 'The database is read-only'],
  ['a statement timeout', 'TIMEOUT', postgrestError(500, '57014'), 'The database did not answer in time: 57014'],
  ['a lock timeout', 'TIMEOUT', postgrestError(500, '55P03'), 'The database did not answer in time: 55P03'],
  ['a gateway timeout', 'TIMEOUT', plain(504), 'The database did not answer in time: HTTP 504'],
  ["no connection free in PostgREST's pool", 'TIMEOUT', postgrestError(504, 'PGRST003'), 'PGRST003'],
  ['a request that took too long to arrive', 'TIMEOUT', plain(408), 'The database did not answer in time: HTTP 408'],
  ["a proxy that lost the gateway's answer", 'TIMEOUT', plain(524), 'The database did not answer in time: HTTP 524'],
  ["a gateway's rate limit", 'RATE_LIMITED', plain(429), 'Too many requests: HTTP 429'],
  ['a serialization failure', 'DATABASE', postgrestError(400, '40001'), 'Database error: 40001'],
  ['a deadlock', 'DATABASE', postgrestError(400, '40P01'), 'Database error: 40P01'],
  ['a broken connection to the database', 'DATABASE', postgrestError(503, '08006'), 'Database error: 08006'],
  ['too many connections', 'DATABASE', postgrestError(503, '53300'), 'Database error: 53300'],
  ['a database that shuts down', 'DATABASE', postgrestError(503, '57P01'), 'Database error: 57P01'],
  ['a database that is not reachable', 'DATABASE', postgrestError(503, 'PGRST000'), 'Database error: PGRST000'],
  ['a service that is unavailable', 'DATABASE', plain(503), 'Database error: HTTP 503'],
  ['an internal error', 'DATABASE', postgrestError(500, 'XX000'), 'Database error: XX000'],
  ['a library that is missing', 'DATABASE', postgrestError(500, '58P01'), 'Database error: 58P01'],
  ['an exception of a hook', 'DATABASE', postgrestError(400, 'P0001'), 'Database error: P0001'],
  ["any other error of PostgREST's", 'API_ERROR', postgrestError(400, 'PGRST102'), 'Supabase answered with an error: PGRST102'],
  ['a PostgREST without a JWT secret', 'API_ERROR', postgrestError(500, 'PGRST300'), 'Supabase answered with an error: PGRST300'],
  ['a bad gateway', 'API_ERROR', plain(502), 'Supabase answered with an error: HTTP 502'],
  ['a proxy that cannot reach the gateway', 'API_ERROR', plain(521), 'Supabase answered with an error: HTTP 521'],
  ['a status that nobody expects', 'API_ERROR', plain(418), 'Supabase answered with an error: HTTP 418'],
  ['a code that is none', 'API_ERROR', { status: 400, body: { code: 'secret value', message: 'x' } }, 'HTTP 400'],
  ["a gateway's code that begins like a SQLSTATE", 'API_ERROR', { status: 400, body: { code: 400 } }, 'HTTP 400'],
  ['a code and a message that are no strings', 'API_ERROR', { status: 400, body: { code: 123, message: { a: 1 } } }, 'HTTP 400'],
  ['a code that is a number of five digits', 'DATABASE', { status: 400, body: { code: 12345 } }, 'Database error: 12345'],
  ['an error that is a word', 'API_ERROR', { status: 500, body: '"secret value"' }, 'HTTP 500'],
  ['a connection that breaks', 'NETWORK', 'reset', 'Supabase could not be reached'],
])('%s', (_, errorCode, step, phrase) => {
  test.each(['ensureUser', 'refreshToken', 'revokeTokens'] as const)(`is ${errorCode} from %s`, async (name) => {
    postgrest.answers(step);
    const answer = await postgrest.client({ retry: false })[name]();
    expect(answer).toMatchObject({ success: false, errorCode });
    expect(answer.error).toContain(phrase);
    expect(JSON.stringify(answer), 'words of others are not passed on').not.toMatch(/secret value|<html>/);
    expect(postgrest.requests).toHaveLength(1);
  });
});

test('NOT_CONFIGURED says how to mend it', async () => {
  postgrest.answers(postgrestError(404, 'PGRST202'));
  const { error } = await postgrest.client().ensureUser();
  expect(error).toMatch(/^CometChat is not properly configured: .*cometchat_ext.*notify pgrst, 'reload schema'$/);
});

test('nobody listening is NETWORK', async () => {
  const gone = await Postgrest.start();
  const client = gone.client({ retry: false });
  await gone.stop();
  expect(await client.ensureUser()).toEqual({ success: false, errorCode: 'NETWORK', error: 'Supabase could not be reached' });
});

test('a name that does not resolve is NETWORK', async () => {
  const { createClient } = await import('@supabase/supabase-js');
  const supabase = createClient('http://no-such-host.invalid', 'anon-key', { auth: { persistSession: false } });
  // The system's resolver may take its time to say so: where no name server answers, say.
  const client = createCometChatAuth(supabase, { retry: false, deadlineMs: 60_000 });
  expect(await client.ensureUser()).toMatchObject({ errorCode: 'NETWORK' });
}, 70_000);

test("a time limit of the app's own fetch is TIMEOUT", async () => {
  postgrest.answers('hang');
  const supabase = postgrest.supabase({ fetch: (input, init) => fetch(input, { ...init, signal: AbortSignal.timeout(20) }) });
  expect(await createCometChatAuth(supabase, { retry: false }).ensureUser()).toEqual({
    success: false,
    errorCode: 'TIMEOUT',
    error: 'Supabase did not answer in time',
  });
});

test('a fetch that throws right away is an answer too', async () => {
  const supabase = postgrest.supabase({
    fetch: () => {
      throw new Error('a header with a secret value');
    },
  });
  const answer = await createCometChatAuth(supabase, { retry: false }).ensureUser();
  expect(answer).toEqual({ success: false, errorCode: 'NETWORK', error: 'Supabase could not be reached' });
});

test('a client whose rpc throws is an answer too', async () => {
  const supabase = {
    rpc: () => {
      throw new Error('broken');
    },
  };
  expect(await createCometChatAuth(supabase, { retry: false }).revokeTokens()).toMatchObject({ errorCode: 'NETWORK' });
});
