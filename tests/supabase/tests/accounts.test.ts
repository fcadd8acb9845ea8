// What happens to accounts: deleted, banned, anonymous and then not. @supabase/lite has neither
// the admin API nor anonymous sign-ins, so this goes through the other gateway.
import { expect, test } from 'vitest';
import { ensure, eventually, PASSWORD, POSTGREST, useStack } from './support.ts';

const world = useStack();

test('an account that the admin deletes is deactivated in CometChat, and its row goes', async () => {
  const ada = await world.signUp(POSTGREST);
  await world.arrived(ada);

  const { error } = await world.server(POSTGREST).auth.admin.deleteUser(ada.id);

  expect(error).toBeNull();
  expect(await world.stored(ada.id)).toBeUndefined();
  const user = await eventually('CometChat has deactivated the user', async () => {
    const user = await world.chat.user(ada.id);
    return user?.deactivatedAt ? user : undefined;
  });
  expect(user.tokens).toEqual([]);
  expect(await ensure(ada.client)).toMatchObject({ success: false, errorCode: 'INVALID_INPUT' });
});

test('with on_delete = delete, nothing is left of the user in CometChat', async () => {
  await world.set('cometchat.on_delete', 'delete');
  const ada = await world.signUp(POSTGREST);
  await world.arrived(ada);

  await world.server(POSTGREST).auth.admin.deleteUser(ada.id);

  await eventually('CometChat has lost the user', async () => !(await world.chat.user(ada.id)));
});

test('an account that is deleted softly is deactivated in CometChat', async () => {
  const ada = await world.signUp(POSTGREST);
  await world.arrived(ada);

  const { error } = await world.server(POSTGREST).auth.admin.deleteUser(ada.id, true);

  expect(error).toBeNull();
  await eventually(
    'CometChat has deactivated the user',
    async () => (await world.chat.user(ada.id))?.deactivatedAt,
  );
  expect(await ensure(ada.client)).toMatchObject({ success: false, errorCode: 'USER_DEACTIVATED' });
});

test('somebody who is banned is logged out of CometChat, and is back when the ban is lifted', async () => {
  const ada = await world.signUp(POSTGREST);
  await world.arrived(ada);
  const { admin } = world.server(POSTGREST).auth;

  expect((await admin.updateUserById(ada.id, { ban_duration: '24h' })).error).toBeNull();

  const banned = await eventually('CometChat has deactivated the user', async () => {
    const user = await world.chat.user(ada.id);
    return user?.deactivatedAt ? user : undefined;
  });
  expect(banned.tokens).toEqual([]);
  expect(await ensure(ada.client)).toMatchObject({ success: false, errorCode: 'USER_DEACTIVATED' });

  expect((await admin.updateUserById(ada.id, { ban_duration: 'none' })).error).toBeNull();
  await eventually(
    'CometChat has the user back',
    async () => !(await world.chat.user(ada.id))?.deactivatedAt,
  );
  expect(await ensure(await world.logIn(POSTGREST, ada))).toMatchObject({
    success: true,
    cometchatUid: ada.id,
  });
});

test('an account that a server makes arrives like a sign-up', async () => {
  const { data, error } = await world.server(POSTGREST).auth.admin.createUser({
    email: 'made@example.com',
    password: PASSWORD,
    email_confirm: true,
    user_metadata: { full_name: 'Made By A Server' },
  });

  expect(error).toBeNull();
  await world.arrived(data.user!);
  expect(await world.chat.user(data.user!.id)).toMatchObject({ name: 'Made By A Server' });
});

test('an anonymous person is not told of, until they ask', async () => {
  const client = world.client(POSTGREST);
  const { data, error } = await client.auth.signInAnonymously();
  expect(error).toBeNull();
  const { id } = data.user!;
  // Had it been queued, it would have been sent before this one.
  await world.arrived(await world.signUp(POSTGREST));
  expect(await world.chat.asked(id)).toEqual([]);

  const answer = await ensure(client);

  expect(answer).toMatchObject({ success: true, cometchatUid: id });
  expect(await world.chat.user(id)).toMatchObject({ name: `User ${id.slice(0, 8)}` });
});

test('an anonymous person who becomes a full account arrives by itself, with name and e-mail', async () => {
  const client = world.client(POSTGREST);
  const { id } = (await client.auth.signInAnonymously()).data.user!;

  const upgrade = { email: 'upgraded@example.com', password: PASSWORD, data: { display_name: 'Upgraded' } };
  const { data, error } = await client.auth.updateUser(upgrade);

  expect(error).toBeNull();
  expect(data.user).toMatchObject({ id, is_anonymous: false });
  const token = await world.arrived({ id });
  expect(await world.chat.user(id)).toMatchObject({
    name: 'Upgraded',
    metadata: { '@private': { email: 'upgraded@example.com' } },
  });
  expect(await ensure(client)).toEqual({ success: true, authToken: token, cometchatUid: id });
});

test('a new e-mail address reaches CometChat by itself', async () => {
  const ada = await world.signUp(POSTGREST);
  await world.arrived(ada);

  expect((await ada.client.auth.updateUser({ email: 'ada.new@example.com' })).error).toBeNull();

  await eventually('CometChat has the new address', async () => {
    const user = await world.chat.user(ada.id);
    return user?.metadata?.['@private']?.email === 'ada.new@example.com';
  });
});
