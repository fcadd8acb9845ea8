// What the types of the answers promise.
import { describe, expectTypeOf, test } from 'vitest';
import { ClientChatService } from '../src/client-chat-service.js';
import type { CometChatAuth, CometChatErrorCode, CometChatFailure, CometChatResponse } from '../src/index.js';

declare const client: CometChatAuth;

describe('success decides what else is there', () => {
  test('ensureUser: a token and a uid, or a code and a phrase', async () => {
    const answer = await client.ensureUser();
    if (answer.success) {
      expectTypeOf(answer.authToken).toEqualTypeOf<string>();
      expectTypeOf(answer.cometchatUid).toEqualTypeOf<string>();
      expectTypeOf(answer.queued).toEqualTypeOf<true | undefined>();
      expectTypeOf(answer.error).toEqualTypeOf<undefined>();
    } else {
      expectTypeOf(answer).toEqualTypeOf<CometChatFailure>();
      expectTypeOf(answer.error).toEqualTypeOf<string>();
      expectTypeOf(answer.errorCode).toEqualTypeOf<CometChatErrorCode>();
      expectTypeOf(answer.authToken).toEqualTypeOf<undefined>();
    }
  });

  test('refreshToken: a token, and never queued', async () => {
    const answer = await client.refreshToken();
    expectTypeOf(answer.queued).toEqualTypeOf<undefined>();
    if (answer.success) expectTypeOf(answer.authToken).toEqualTypeOf<string>();
  });

  test('revokeTokens: no token, and queued only if it failed', async () => {
    const answer = await client.revokeTokens();
    expectTypeOf(answer.authToken).toEqualTypeOf<undefined>();
    if (answer.success) {
      expectTypeOf(answer.cometchatUid).toEqualTypeOf<string>();
      expectTypeOf(answer.queued).toEqualTypeOf<undefined>();
    } else expectTypeOf(answer.queued).toEqualTypeOf<true | undefined>();
  });

  test('an answer may be taken apart first', async () => {
    const { success, authToken, error } = await client.ensureUser();
    if (success) expectTypeOf(authToken).toEqualTypeOf<string>();
    else expectTypeOf(error).toEqualTypeOf<string>();
  });

  test('before success was looked at, the token may be missing', async () => {
    const answer = await client.ensureUser();
    // @ts-expect-error it is string | undefined here
    const token: string = answer.authToken;
    void token;
  });

  test('each answer is a CometChatResponse', () => {
    expectTypeOf<Awaited<ReturnType<CometChatAuth['refreshToken']>>>().toExtend<CometChatResponse>();
    expectTypeOf<Awaited<ReturnType<CometChatAuth['revokeTokens']>>>().toExtend<CometChatResponse>();
    expectTypeOf(client.ensureUser()).resolves.toExtend<CometChatResponse>();
  });
});

describe('codes', () => {
  test('one that nobody knows yet is allowed', () => {
    expectTypeOf<'A_CODE_OF_TOMORROW'>().toExtend<CometChatErrorCode>();
    expectTypeOf<number>().not.toExtend<CometChatErrorCode>();
  });

  test('the known ones stay visible to editors: the type is not just string', () => {
    expectTypeOf<CometChatErrorCode>().not.toEqualTypeOf<string>();
  });
});

describe('arguments', () => {
  test('named and positional forms, each with options', () => {
    const options = { signal: new AbortController().signal, deadlineMs: 1 };
    void client.ensureUser({ displayName: 'Ada' }, options);
    void client.ensureUser(null, options);
    void client.ensureUser('id', 'Ada', 'ada@example.com', options);
    void client.ensureUser(undefined, 'Ada');
    void client.refreshToken('id', options);
    void client.revokeTokens(null, options);
  });

  test('a misspelt argument is an error', () => {
    // @ts-expect-error displayname
    void client.ensureUser({ displayname: 'Ada' });
    // @ts-expect-error a number is no user id
    void client.ensureUser(1);
    // @ts-expect-error deadline
    void client.refreshToken('id', { deadline: 1 });
  });
});

test("ClientChatService answers in the shape of the app's own", () => {
  expectTypeOf(ClientChatService.ensureUser('id', 'Ada', 'ada@example.com')).resolves.toExtend<{
    success: boolean;
    authToken?: string | undefined;
    cometchatUid?: string | undefined;
    error?: string | undefined;
  }>();
});
