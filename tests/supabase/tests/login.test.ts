// What an app does with a person from sign-up to sign-out, through both gateways.
import { describe, expect, test } from 'vitest';
import { ensure, eventually, GATEWAYS, refresh, revoke, useStack } from './support.ts';

const world = useStack();

test('all is well: the extension sees auth.users, owned by the Auth server', async () => {
  const { cluster } = world.stack;
  await eventually('every check of health() is ok', async () => {
    const rows = await cluster.sql<{ ok: boolean }>('select ok from cometchat.health()');
    return rows.length > 5 && rows.every(({ ok }) => ok);
  });

  const owner = await cluster.sql(
    `select tableowner from pg_tables where schemaname = 'auth' and tablename = 'users'`,
  );

  expect(owner).toEqual([{ tableowner: 'supabase_auth_admin' }]);
});

describe.each(GATEWAYS)('through %s', (gateway) => {
  test('a sign-up reaches CometChat by itself, and the login that follows finds its token', async () => {
    const ada = await world.signUp(gateway, 'Ada Lovelace');
    const token = await world.arrived(ada);

    const answer = await ensure(ada.client);

    expect(answer).toEqual({ success: true, authToken: token, cometchatUid: ada.id });
    expect(await world.chat.asked(ada.id)).toEqual(['create_user']);
    const known = await world.chat.user(ada.id);
    expect(known).toMatchObject({ name: 'Ada Lovelace', metadata: { '@private': { email: ada.email } } });
    expect(known!.tokens).toEqual([token]);
  });

  test('a login that comes before the worker has the answer gets the same one token', async () => {
    await world.chat.break({ kind: 'delay', ms: 300, operation: 'create_user' });
    const ada = await world.signUp(gateway);

    const answer = await ensure(ada.client);

    expect(answer.success).toBe(true);
    expect(await world.chat.asked(ada.id)).toEqual(['create_user']);
    expect(await world.arrived(ada)).toBe(answer.authToken);
  });

  test('several tabs at once get one create and one token', async () => {
    await world.chat.break({ kind: 'delay', ms: 300, operation: 'create_user' });
    const ada = await world.signUp(gateway);

    const answers = await Promise.all([1, 2, 3, 4].map(() => ensure(ada.client)));

    const token = await world.arrived(ada);
    expect(answers).toEqual(Array(4).fill({ success: true, authToken: token, cometchatUid: ada.id }));
    expect(await world.chat.asked(ada.id)).toEqual(['create_user']);
    expect((await world.chat.user(ada.id))!.tokens).toEqual([token]);
  });

  test('a login on a second device gets the same token without a request', async () => {
    const ada = await world.signUp(gateway);
    const token = await world.arrived(ada);

    const second = await world.logIn(gateway, ada);

    expect((await ensure(second)).authToken).toBe(token);
    expect(await world.chat.asked(ada.id)).toEqual(['create_user']);
  });

  test('a session that was refreshed is still the same person', async () => {
    const ada = await world.signUp(gateway);
    const token = await world.arrived(ada);

    const { error } = await ada.client.auth.refreshSession();

    expect(error).toBeNull();
    expect((await ensure(ada.client)).authToken).toBe(token);
  });

  test('a refresh mints a new token, which logins get from then on, and the old one stays valid', async () => {
    const ada = await world.signUp(gateway);
    const old = await world.arrived(ada);

    const renewed = await refresh(ada.client);

    expect(renewed).toMatchObject({ success: true, cometchatUid: ada.id });
    expect(renewed.authToken).not.toBe(old);
    expect(await ensure(ada.client)).toEqual(renewed);
    expect((await world.chat.user(ada.id))!.tokens.sort()).toEqual([old, renewed.authToken].sort());
  });

  test('a sign-out that revokes leaves no token anywhere, and the next login gets a new one', async () => {
    const ada = await world.signUp(gateway);
    const old = await world.arrived(ada);

    expect(await revoke(ada.client)).toEqual({ success: true, cometchatUid: ada.id });
    expect((await ada.client.auth.signOut()).error).toBeNull();

    expect(await world.stored(ada.id)).toBeNull();
    expect((await world.chat.user(ada.id))!.tokens).toEqual([]);
    const again = await ensure(await world.logIn(gateway, ada));
    expect(again.success).toBe(true);
    expect(again.authToken).not.toBe(old);
    expect((await world.chat.user(ada.id))!.tokens).toEqual([again.authToken]);
  });

  test('a profile that is changed with auth.updateUser() reaches CometChat by itself', async () => {
    const ada = await world.signUp(gateway, 'Ada Lovelace');
    const token = await world.arrived(ada);

    const data = { display_name: 'Ada King', avatar_url: 'https://example.com/ada.png' };
    expect((await ada.client.auth.updateUser({ data })).error).toBeNull();

    await eventually('CometChat has the new profile', async () => {
      const user = await world.chat.user(ada.id);
      return user?.name === 'Ada King' && user.avatar === 'https://example.com/ada.png';
    });
    expect((await ensure(ada.client)).authToken).toBe(token);
    expect(await world.chat.asked(ada.id)).toEqual(['create_user', 'update_user']);
  });

  test('the name that a login brings is sent, and its e-mail is not believed', async () => {
    const ada = await world.signUp(gateway, 'Ada Lovelace');
    await world.arrived(ada);

    const answer = await ensure(ada.client, { display_name: 'The Countess', email: 'other@example.com' });

    expect(answer.success).toBe(true);
    expect(await world.chat.user(ada.id)).toMatchObject({
      name: 'The Countess',
      metadata: { '@private': { email: ada.email } },
    });
  });

  test('logging in again tells CometChat nothing', async () => {
    const ada = await world.signUp(gateway);
    await world.arrived(ada);
    await world.logIn(gateway, ada);
    await world.logIn(gateway, ada);
    // What a login might have queued would be sent before this.
    const bob = await world.signUp(gateway);
    await world.arrived(bob);

    expect(await world.chat.asked(ada.id)).toEqual(['create_user']);
  });
});
