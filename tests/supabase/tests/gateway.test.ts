// The gateway like PostgREST is like PostgREST: what the other tests rely on.
import { createClient } from '@supabase/supabase-js';
import { beforeAll, expect, test } from 'vitest';
import { createCometChatAuth } from '../../../clients/typescript/src/index.ts';
import { signToken } from '../src/gateway/keys.ts';
import { POSTGREST, useStack } from './support.ts';

const world = useStack();

beforeAll(async () => {
  await world.stack.cluster.sql(`
    create function context() returns jsonb language sql as $$
      select jsonb_build_object(
        'role', current_user, 'login', session_user, 'path', current_setting('search_path'),
        'claims', current_setting('request.jwt.claims')::jsonb, 'uid', auth.uid(),
        'method', current_setting('request.method'), 'url', current_setting('request.path'),
        'agent', current_setting('request.headers')::jsonb ->> 'x-client-info',
        'cookies', current_setting('request.cookies')::jsonb,
        'read only', current_setting('transaction_read_only')) $$;
    create function stable_context() returns jsonb stable language sql as $$ select context() $$;
    create function defaults(a integer default 1, b text default 'two') returns jsonb language sql as $$
      select jsonb_build_object('a', a, 'b', b) $$;
    create function needs(a integer, b text default 'two') returns text language sql as $$ select b $$;
    create function forgets_where() returns void language sql as $$
      update cometchat_users set updated_at = now() $$;
    create function nothing() returns text language sql as $$ select null::text $$;
    create function fail(sqlstate text) returns void language plpgsql as $$
      begin raise exception 'failed' using errcode = sqlstate, detail = 'the detail', hint = 'the hint'; end $$;`);
});

test('the server is of the major version that COMETCHAT_PG names', async () => {
  const version = "select current_setting('server_version_num')::int / 10000 as major";

  expect(await world.stack.cluster.sql(version)).toEqual([{ major: Number(process.env.COMETCHAT_PG || '15') }]);
});

test("a signed-in person's call runs as authenticated, with the claims and the request", async () => {
  const ada = await world.signUp(POSTGREST);

  const { data } = await ada.client.rpc('context');

  expect(data).toMatchObject({
    role: 'authenticated',
    login: 'authenticator',
    path: '"public", "extensions"',
    uid: ada.id,
    claims: { sub: ada.id, role: 'authenticated', email: ada.email, is_anonymous: false },
    method: 'POST',
    url: '/rpc/context',
    agent: expect.stringContaining('supabase-js'),
    cookies: {},
    'read only': 'off',
  });
});

test('a row is upserted, by whom the table lets', async () => {
  await world.stack.cluster.sql(
    'create table notes (id integer primary key, body text, made text default $$here$$); alter table notes enable row level security',
  );
  const server = world.server(POSTGREST);
  const upsert = (body: string) => server.from('notes').upsert({ id: 1, body }, { onConflict: 'id' });

  expect((await upsert('one')).status).toBe(201);
  expect((await upsert('two')).error).toBeNull();
  const read = await server.from('notes').select('id,body,made').eq('id', '1').maybeSingle();
  const refused = await world.client(POSTGREST).from('notes').upsert({ id: 2 }, { onConflict: 'id' });

  expect(read.data).toEqual({ id: 1, body: 'two', made: 'here' });
  expect(refused.error?.code).toBe('42501');
  expect((await server.from('notes').insert({ id: 3 })).status).toBe(501);
});

test('the keys stand for anon and service_role, opaque or as JWTs', async () => {
  const { keys, gatewayUrl } = world.stack;
  const inAnHour = Math.floor(Date.now() / 1000) + 3600;
  const jwt = (role: string) => signToken(keys, { role }, inAnHour);
  const roleOf = async (key: string) => (await createClient(gatewayUrl, key).rpc('context')).data.role;

  expect(await roleOf(keys.publishable)).toBe('anon');
  expect(await roleOf(keys.secret)).toBe('service_role');
  expect(await roleOf(await jwt('anon'))).toBe('anon');
  expect(await roleOf(await jwt('service_role'))).toBe('service_role');
});

test.each(['', 'sb_publishable_guessed'])(
  'without a key that is known ("%s"), nothing is done: 401',
  async (apikey) => {
    const answer = await fetch(`${world.stack.gatewayUrl}/rest/v1/rpc/context`, {
      method: 'POST',
      headers: { apikey },
    });

    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  },
);

test('nothing of one request is left for the next one on the same connection', async () => {
  const ada = await world.signUp(POSTGREST);
  await ada.client.rpc('context');

  const { data } = await world.client(POSTGREST).rpc('context');

  expect(data).toMatchObject({ role: 'anon', claims: { role: 'anon' }, uid: null });
});

test('a GET and a call of a stable function are read-only', async () => {
  const server = world.server(POSTGREST);

  expect((await server.rpc('context', {}, { get: true })).data).toMatchObject({
    method: 'GET',
    'read only': 'on',
  });
  expect((await server.rpc('stable_context')).data).toMatchObject({ method: 'POST', 'read only': 'on' });
});

test('arguments that are absent have their defaults, and those that are null are null', async () => {
  const server = world.server(POSTGREST);

  expect((await server.rpc('defaults')).data).toEqual({ a: 1, b: 'two' });
  expect((await server.rpc('defaults', { b: 'x' })).data).toEqual({ a: 1, b: 'x' });
  expect((await server.rpc('defaults', { a: null })).data).toEqual({ a: null, b: 'two' });
  expect((await server.rpc('defaults', { a: 5 }, { get: true })).data).toEqual({ a: 5, b: 'two' });
  expect((await server.rpc('nothing')).data).toBeNull();
});

test('a function that lacks an argument, has another, or is not there is 404, PGRST202', async () => {
  const server = world.server(POSTGREST);

  for (const [name, args] of [
    ['needs', {}],
    ['needs', { a: 1, c: 2 }],
    ['absent', {}],
  ] as const) {
    const { error, status } = await server.rpc(name, args);
    expect(error).toMatchObject({ code: 'PGRST202' });
    expect(status).toBe(404);
  }
});

test.each([
  ['P0001', 400],
  ['PT402', 402],
  ['PT418', 418],
  ['42501', 403],
  ['42883', 404],
  ['23505', 409],
  ['23503', 409],
  ['25006', 405],
  ['08006', 503],
  ['53300', 503],
  ['57014', 500],
  ['38000', 500],
  ['39000', 500],
  ['54000', 500],
  ['55000', 500],
  ['58000', 500],
  ['21000', 500],
  ['XX000', 500],
  ['22P02', 400],
  ['22023', 400],
  ['23514', 400],
  ['42601', 400],
])('SQLSTATE %s is HTTP %d', async (sqlstate, expected) => {
  const ada = await world.signUp(POSTGREST);

  const { error, status } = await ada.client.rpc('fail', { sqlstate });

  expect(status).toBe(expected);
  expect(error).toMatchObject({ code: sqlstate, message: 'failed', details: 'the detail', hint: 'the hint' });
});

test('SQLSTATE 42501 is 401 for whoever is not signed in', async () => {
  expect((await world.client(POSTGREST).rpc('fail', { sqlstate: '42501' })).status).toBe(401);
});

test("a token cannot name a role that is not the Data API's to take", async () => {
  const { keys, gatewayUrl } = world.stack;
  const token = await signToken(keys, { role: 'supabase_admin' }, Math.floor(Date.now() / 1000) + 3600);

  const { error, status } = await createClient(gatewayUrl, keys.publishable, {
    accessToken: async () => token,
  }).rpc('context');

  expect(error).toMatchObject({ code: '42501' });
  expect(status).toBe(403);
});

test('a token that names a role which does not exist is 401, and the client says UNAUTHORIZED', async () => {
  const { keys, gatewayUrl } = world.stack;
  const token = await signToken(keys, { role: 'no such role' }, Math.floor(Date.now() / 1000) + 3600);
  const client = createClient(gatewayUrl, keys.publishable, { accessToken: async () => token });

  const { error, status } = await client.rpc('context');
  const answer = await createCometChatAuth(client).ensureUser();

  expect(error).toMatchObject({ code: '22023', message: 'role "no such role" does not exist' });
  expect(status).toBe(401);
  expect(answer).toEqual({ success: false, errorCode: 'UNAUTHORIZED', error: 'Unauthorized: 22023' });
});

test('an UPDATE without WHERE is refused, as by the pg-safeupdate of Supabase: 400, 21000', async () => {
  const { error, status } = await world.server(POSTGREST).rpc('forgets_where');

  expect(error).toMatchObject({ code: '21000', message: 'UPDATE requires a WHERE clause' });
  expect(status).toBe(400);
});

test('an unknown table is 404, PGRST205, and an unknown column 400, 42703', async () => {
  const server = world.server(POSTGREST);

  const table = await server.from('absent').select();
  const column = await server.from('cometchat_users').select('absent');

  expect([table.status, table.error!.code]).toEqual([404, 'PGRST205']);
  expect([column.status, column.error!.code]).toEqual([400, '42703']);
});

test('what is no token at all is 401, PGRST301', async () => {
  const { keys, gatewayUrl } = world.stack;

  const { error, status } = await createClient(gatewayUrl, keys.publishable, {
    accessToken: async () => 'nonsense',
  }).rpc('context');

  expect(error).toMatchObject({ code: 'PGRST301' });
  expect(status).toBe(401);
});
