// Who may ask for whom, and who may read what, through both gateways.
import { createClient } from '@supabase/supabase-js';
import { describe, expect, test } from 'vitest';
import { createCometChatAuth } from '../../../clients/typescript/src/index.ts';
import { ensure, GATEWAYS, PASSWORD, refresh, revoke, useStack } from './support.ts';

const world = useStack();
const NOBODY = '00000000-0000-4000-8000-000000000000';

describe.each(GATEWAYS)('through %s', (gateway) => {
  test("a stranger's id is answered with UNAUTHORIZED, and CometChat is not asked", async () => {
    const ada = await world.signUp(gateway);
    const eve = await world.signUp(gateway);
    const token = await world.arrived(ada);
    await world.arrived(eve);

    for (const call of [ensure, refresh, revoke]) {
      const answer = await call(eve.client, { user_id: ada.id });
      expect(answer).toEqual({ success: false, error: 'Unauthorized', errorCode: 'UNAUTHORIZED' });
    }

    expect(await world.chat.asked(ada.id)).toEqual(['create_user']);
    expect(await world.stored(ada.id)).toBe(token);
  });

  test('one may name oneself', async () => {
    const ada = await world.signUp(gateway);
    const token = await world.arrived(ada);

    expect(await ensure(ada.client, { user_id: ada.id })).toMatchObject({ success: true, authToken: token });
  });

  test.each(['cometchat_ensure_user', 'cometchat_refresh_token', 'cometchat_revoke_tokens'])(
    'with the publishable key alone, %s is refused as PostgREST refuses: 401, 42501',
    async (name) => {
      const { data, error, status } = await world.client(gateway).rpc(name);

      expect(data).toBeNull();
      expect(error).toMatchObject({ code: '42501', message: `permission denied for function ${name}` });
      expect(status).toBe(401);
    },
  );

  test('after a sign-out the client is nobody again', async () => {
    const ada = await world.signUp(gateway);
    await ada.client.auth.signOut();

    const { error, status } = await ada.client.rpc('cometchat_ensure_user');

    expect(error).toMatchObject({ code: '42501' });
    expect(status).toBe(401);
  });

  test.each(['ensureUser', 'revokeTokens'] as const)(
    "a repeated %s of the TypeScript client's does nothing to who has signed in meanwhile",
    async (name) => {
      const ada = await world.signUp(gateway);
      const bob = await world.signUp(gateway);
      const token = await world.arrived(bob);
      await world.arrived(ada);
      let calls = 0;
      const losingTheFirst: typeof fetch = async (...args) => {
        const response = await fetch(...args);
        if (!String(args[0]).includes('/rpc/') || ++calls > 1) return response;
        await client.auth.signInWithPassword({ email: bob.email, password: PASSWORD });
        throw new TypeError('the answer got lost');
      };
      const client = createClient(world.url(gateway), world.stack.keys.publishable, {
        auth: { persistSession: false, autoRefreshToken: false },
        global: { fetch: losingTheFirst },
      });
      await client.auth.signInWithPassword({ email: ada.email, password: PASSWORD });
      const cometchat = createCometChatAuth(client, { retryDelayMs: 10 });

      const answer = await (name === 'ensureUser'
        ? cometchat.ensureUser({ displayName: 'Ada the Second' })
        : cometchat.revokeTokens());

      expect(calls).toBe(2);
      expect(answer).toMatchObject({ success: false, errorCode: 'UNAUTHORIZED' });
      expect((await world.chat.user(bob.id))!.name).toBe(bob.name);
      expect(await world.stored(bob.id)).toBe(token);
    },
  );

  test('a server with the secret key may name anybody', async () => {
    const ada = await world.signUp(gateway);
    const token = await world.arrived(ada);
    const server = world.server(gateway);

    expect(await ensure(server, { user_id: ada.id })).toMatchObject({ success: true, authToken: token });
    const renewed = await refresh(server, { user_id: ada.id });
    expect(renewed.success).toBe(true);
    expect((await ensure(ada.client)).authToken).toBe(renewed.authToken);
    expect(await revoke(server, { user_id: ada.id })).toMatchObject({ success: true });
  });

  test('a server that names nobody, or somebody who is not there, gets INVALID_INPUT', async () => {
    for (const args of [{}, { user_id: NOBODY }]) {
      expect(await ensure(world.server(gateway), args)).toMatchObject({
        success: false,
        errorCode: 'INVALID_INPUT',
      });
    }
  });

  test("of cometchat_users, one sees one's own row only", async () => {
    const ada = await world.signUp(gateway);
    const bob = await world.signUp(gateway);
    const token = await world.arrived(ada);
    await world.arrived(bob);

    const own = await ada.client.from('cometchat_users').select();
    const others = await ada.client
      .from('cometchat_users')
      .select('cometchat_auth_token')
      .eq('user_id', bob.id);

    expect(own.error).toBeNull();
    expect(own.data).toHaveLength(1);
    expect(own.data![0]).toMatchObject({
      user_id: ada.id,
      cometchat_uid: ada.id,
      cometchat_auth_token: token,
    });
    expect(others.data).toEqual([]);
  });

  test('of cometchat_users, anon sees nothing: 401, 42501', async () => {
    const { data, error, status } = await world.client(gateway).from('cometchat_users').select();

    expect(data).toBeNull();
    expect(error).toMatchObject({ code: '42501', message: 'permission denied for table cometchat_users' });
    expect(status).toBe(401);
  });

  test('of cometchat_users, a server sees all rows', async () => {
    const people = [await world.signUp(gateway), await world.signUp(gateway)];
    for (const person of people) await world.arrived(person);

    const { data } = await world.server(gateway).from('cometchat_users').select('user_id');

    const seen = (data as { user_id: string }[]).map((row) => row.user_id);
    expect(seen).toEqual(expect.arrayContaining(people.map(({ id }) => id)));
  });

  test("the operators' functions cannot be reached at all", async () => {
    const ada = await world.signUp(gateway);

    const { error, status } = await ada.client.rpc('enable_auth_trigger');

    expect(error).toMatchObject({ code: 'PGRST202' });
    expect(status).toBe(404);
  });
});
