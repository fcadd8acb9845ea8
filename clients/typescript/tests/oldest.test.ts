// The same with the first supabase-js of the 2.x line: the peer dependency says ^2.
import { createClient } from 'supabase-js-oldest';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCometChatAuth, type CometChatAuth } from '../src/index.js';
import { Postgrest, postgrestError, QUEUED, SUCCESS, until } from './postgrest.js';

let postgrest: Postgrest;
let client: CometChatAuth;
beforeAll(async () => {
  postgrest = await Postgrest.start();
  const supabase = createClient(postgrest.url, 'anon-key', { auth: { persistSession: false, autoRefreshToken: false } });
  client = createCometChatAuth(supabase, { retryDelayMs: 5, deadlineMs: 5000 });
});
afterAll(() => postgrest.stop());

test('supabase-js 2.0.0: an answer arrives', async () => {
  postgrest.answers({ body: SUCCESS });
  expect(await client.ensureUser({ displayName: 'Ada' })).toEqual(SUCCESS);
  expect(postgrest.requests).toMatchObject([{ function: 'cometchat_ensure_user', body: { display_name: 'Ada' } }]);
});

test('supabase-js 2.0.0: a queued user and a broken connection are asked for again', async () => {
  postgrest.answers({ body: QUEUED }, 'reset', { body: SUCCESS });
  expect(await client.ensureUser()).toEqual(SUCCESS);
});

test('supabase-js 2.0.0: an error is an answer', async () => {
  postgrest.answers(postgrestError(404, 'PGRST202'));
  expect(await client.refreshToken()).toMatchObject({ success: false, errorCode: 'NOT_CONFIGURED' });
});

test('supabase-js 2.0.0: a page instead of an answer is a failure', async () => {
  postgrest.answers({ body: '<html>Welcome to our hotel</html>' });
  expect(await client.ensureUser({}, { retry: false })).toMatchObject({ success: false });
});

test('supabase-js 2.0.0: a call can be aborted', async () => {
  postgrest.answers('hang');
  const controller = new AbortController();
  const answer = client.revokeTokens(null, { signal: controller.signal });
  await until(() => postgrest.requests.length === 1);
  controller.abort();
  expect(await answer).toMatchObject({ errorCode: 'ABORTED' });
});
