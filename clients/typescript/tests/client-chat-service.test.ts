// The stand-in for an app's own ClientChatService.
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { ADA, Postgrest, postgrestError, QUEUED, SUCCESS } from './postgrest.js';

let postgrest: Postgrest;
let ClientChatService: typeof import('../src/client-chat-service.js').ClientChatService;
beforeAll(async () => void (postgrest = await Postgrest.start()));
beforeEach(async () => {
  vi.resetModules(); // each test is an app of its own
  ({ ClientChatService } = await import('../src/client-chat-service.js'));
});
afterAll(() => postgrest.stop());

test('ClientChatService.ensureUser(userId, displayName, email) asks the database', async () => {
  postgrest.answers({ body: SUCCESS });
  ClientChatService.use(postgrest.supabase());
  expect(await ClientChatService.ensureUser(ADA, 'Ada', 'ada@example.com')).toEqual(SUCCESS);
  expect(postgrest.requests).toMatchObject([
    { function: 'cometchat_ensure_user', body: { user_id: ADA, display_name: 'Ada', email: 'ada@example.com' } },
  ]);
});

test('display name and e-mail may be left out', async () => {
  postgrest.answers({ body: SUCCESS });
  ClientChatService.use(postgrest.supabase());
  await ClientChatService.ensureUser(ADA);
  expect(postgrest.requests[0]?.body).toEqual({ user_id: ADA });
});

test('a failure has success: false and an error, as before, and an errorCode', async () => {
  postgrest.answers(postgrestError(401, '42501'));
  ClientChatService.use(postgrest.supabase());
  expect(await ClientChatService.ensureUser(ADA)).toEqual({
    success: false,
    error: 'Unauthorized: 42501',
    errorCode: 'UNAUTHORIZED',
  });
});

test('it repeats what the client repeats, with the same options', async () => {
  postgrest.answers({ body: QUEUED }, { body: SUCCESS });
  ClientChatService.use(postgrest.supabase(), { retryDelayMs: 1 });
  expect(await ClientChatService.ensureUser(ADA)).toEqual(SUCCESS);
});

test('without use(supabase) it says what is missing, and does not throw', async () => {
  const answer = await ClientChatService.ensureUser(ADA);
  expect(answer).toMatchObject({ success: false, errorCode: 'NOT_CONFIGURED' });
  expect(answer.error).toContain('ClientChatService.use(supabase)');
});

test('an instance asks its own client, whatever use() was given', async () => {
  const another = await Postgrest.start();
  try {
    postgrest.answers({ body: SUCCESS });
    another.answers({ body: { ...SUCCESS, authToken: 'another' } });
    ClientChatService.use(postgrest.supabase());
    const service = new ClientChatService(another.supabase());
    expect(await service.ensureUser(ADA, 'Ada')).toMatchObject({ authToken: 'another' });
    expect(postgrest.requests).toHaveLength(0);
  } finally {
    await another.stop();
  }
});
