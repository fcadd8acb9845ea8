// The roles' timeouts, as PostgREST applies them: a silent CometChat never costs a caller more.
import { beforeAll, expect, test } from 'vitest';
import { ensure, POSTGREST, useStack } from './support.ts';

const world = useStack();
const TIMEOUT = {
  success: false,
  error: 'CometChat did not answer in time',
  errorCode: 'TIMEOUT',
  queued: true,
};

beforeAll(async () => {
  await world.pauseWorker();
  await world.stack.cluster.sql(`
    create function sleep() returns void language sql as $$ select pg_sleep(30) $$;
    create function my_timeout() returns text language sql as $$ select current_setting('statement_timeout') $$;`);
});

test.each([
  ['anon', '3s'],
  ['authenticated', '8s'],
  ['service_role', '8s'],
])('the statement_timeout of %s is %s', async (role, timeout) => {
  const clients = {
    anon: () => world.client(POSTGREST),
    authenticated: async () => (await world.signUp(POSTGREST)).client,
    service_role: () => world.server(POSTGREST),
  };
  const client = await clients[role as keyof typeof clients]();

  expect((await client.rpc('my_timeout')).data).toBe(timeout);
});

test('with request_timeout at 60 s, the answer still comes before the 8 s that cancel other calls', async () => {
  await world.set('cometchat.request_timeout', '60s');
  await world.set('cometchat.connect_timeout', '60s');
  await world.chat.break({ kind: 'hang_before_header' });
  const ada = await world.signUp(POSTGREST);
  const bob = await world.signUp(POSTGREST);

  const [slow, own, ofServer] = await Promise.all([
    ada.client.rpc('sleep'),
    ensure(ada.client),
    ensure(world.server(POSTGREST), { user_id: bob.id }),
  ]);

  expect(slow.error).toMatchObject({
    code: '57014',
    message: 'canceling statement due to statement timeout',
  });
  expect(slow.status).toBe(500);
  expect(own).toEqual(TIMEOUT);
  expect(ofServer).toEqual(TIMEOUT);
});

test('with a statement_timeout of the function itself, the answer comes before that', async () => {
  const functions = ['cometchat_ensure_user', 'sleep'];
  const { cluster } = world.stack;
  for (const name of functions) await cluster.sql(`alter function ${name} set statement_timeout = '1s'`);
  await world.set('cometchat.request_timeout', '60s');
  await world.set('cometchat.connect_timeout', '60s');
  await world.chat.break({ kind: 'hang_before_header' });
  const ada = await world.signUp(POSTGREST);

  const [slow, own] = await Promise.all([ada.client.rpc('sleep'), ensure(ada.client)]);

  for (const name of functions) await cluster.sql(`alter function ${name} reset statement_timeout`);
  expect(slow.error).toMatchObject({ code: '57014' });
  expect(own).toEqual(TIMEOUT);
});

test('a silent CometChat that wakes up again is asked anew, and no second user is made', async () => {
  await world.set('cometchat.request_timeout', '1500ms');
  await world.chat.break({ kind: 'hang_before_header', perform: true, operation: 'create_user', times: 1 });
  const ada = await world.signUp(POSTGREST);
  expect(await ensure(ada.client)).toEqual(TIMEOUT);

  await world.set('cometchat.request_timeout', '5s');
  const again = await ensure(ada.client);

  expect(again).toMatchObject({ success: true, cometchatUid: ada.id });
  expect(await world.chat.asked(ada.id)).toEqual(['create_user', 'create_user', 'get_user', 'create_token']);
});
