// Every errorCode, really provoked, and what supabase-js sees of it, through both gateways.
import { readFile } from 'node:fs/promises';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { isHosted } from '../src/hosted.ts';
import { ANSWERED, type Answered } from './expected_errors.ts';
import { GATEWAYS, useStack, type GatewayName, type Person } from './support.ts';

const world = useStack();
const ENSURE = 'cometchat_ensure_user';
const REFRESH = 'cometchat_refresh_token';
const NOBODY = '00000000-0000-4000-8000-000000000000';

// The worker sleeps: it would bring people to CometChat before the call under test.
beforeAll(() => world.pauseWorker());
// One that learned of a limit of nothing would wait for the end of that minute.
// (The hosted edition has no limiter of its own.)
if (!isHosted) beforeAll(() => world.stack.set('cometchat.rate_limit', '-1'));
afterEach(() => world.chat.control('POST', '/reset'));

const sql = (text: string) => world.stack.cluster.sql(text);
const control = (method: string, path: string, body?: unknown) => world.chat.control(method, path, body);

/** Brings the condition about, and makes the call. */
type Provocation = (
  ada: Person,
  gateway: GatewayName,
) => PromiseLike<{ data: unknown; error: unknown; status: number }>;

const PROVOCATIONS: Record<Answered, Provocation> = {
  'the app id is not set': async (ada) => {
    await world.set('cometchat.app_id', '');
    return ada.client.rpc(ENSURE);
  },
  'the region is not set': async (ada) => {
    await world.set('cometchat.region', '');
    return ada.client.rpc(ENSURE);
  },
  'the API key is not set': async (ada) => {
    await world.set('cometchat.api_key_file', '');
    return ada.client.rpc(ENSURE);
  },
  "a stranger's id is given": (ada) => ada.client.rpc(ENSURE, { user_id: NOBODY }),
  'a server names somebody who is not in auth.users': (_, gateway) =>
    world.server(gateway).rpc(ENSURE, { user_id: NOBODY }),
  'a token is wanted for somebody whom CometChat does not know': (ada) => ada.client.rpc(REFRESH),
  "somebody was deactivated in CometChat's dashboard": async (ada) => {
    await control('POST', '/users?app=app1', { uid: ada.id, name: ada.name });
    await control('POST', `/users/${ada.id}/deactivate?app=app1`);
    return ada.client.rpc(ENSURE);
  },
  'somebody is banned': async (ada) => {
    await sql(`update auth.users set banned_until = now() + interval '1 day' where id = '${ada.id}'`);
    return ada.client.rpc(ENSURE);
  },
  'CometChat makes no token': async (ada) => {
    await control('POST', '/users?app=app1', { uid: ada.id, name: ada.name });
    await world.chat.break({
      kind: 'status',
      status: 400,
      code: 'ERR_BAD_REQUEST',
      operation: 'create_token',
    });
    return ada.client.rpc(ENSURE);
  },
  'the API key is wrong': async (ada) => {
    await control('PUT', '/keys', [{ key: 'another', scope: 'fullAccess' }]);
    return ada.client.rpc(ENSURE);
  },
  'the plan has no place for another user': async (ada) => {
    await control('PATCH', '/settings', { quota: 0 });
    return ada.client.rpc(ENSURE);
  },
  "the app's rate is used up": async (ada) => {
    await control('PUT', '/limits', { core: 0, retry_after: '0' });
    return ada.client.rpc(ENSURE);
  },
  "the person's own rate is used up": async (ada) => {
    await world.set('cometchat.user_rate_limit', '1');
    await ada.client.rpc(ENSURE);
    return ada.client.rpc(REFRESH);
  },
  'CometChat is silent': async (ada) => {
    await world.set('cometchat.request_timeout', '300ms');
    await world.chat.break({ kind: 'hang_before_header' });
    return ada.client.rpc(ENSURE);
  },
  'nobody listens there': async (ada) => {
    await world.chat.listener('closed');
    return ada.client.rpc(ENSURE);
  },
  'CometChat fails': async (ada) => {
    await world.chat.break({ kind: 'status', status: 500, code: 'ERR_EXCEPTION' });
    return ada.client.rpc(ENSURE);
  },
  'the request is a GET, which is read-only': (ada) => ada.client.rpc(ENSURE, {}, { get: true }),
  'the row cannot be written': async (ada) => {
    await sql(`create function refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$`);
    await sql(
      'create trigger refuse before insert on cometchat_users for each row execute function refuse()',
    );
    try {
      return await ada.client.rpc(ENSURE);
    } finally {
      await sql('drop function refuse cascade');
    }
  },
};

describe.each(GATEWAYS)('through %s', (gateway) => {
  test.each(ANSWERED)('%s: %s with HTTP %i', async (when, errorCode, expectedStatus, text, queued) => {
    const ada = await world.signUp(gateway);

    const { data, error, status } = await PROVOCATIONS[when](ada, gateway);

    expect(error).toBeNull();
    expect(status).toBe(expectedStatus);
    expect(data).toEqual({ success: false, errorCode, error: text, ...(queued ? { queued: true } : {}) });
    if (errorCode !== 'RATE_LIMITED') return;
    // For a second nothing is sent, then one request goes ahead: the next test's would be that.
    await control('POST', '/reset');
    await expect
      .poll(async () => (await ada.client.rpc(ENSURE)).data?.success, { timeout: 5000, interval: 300 })
      .toBe(true);
  });
});

test("the README's table of errors has exactly these codes, and what their errors begin with", async () => {
  const readme = await readFile(new URL('../../../README.md', import.meta.url), 'utf8');
  const [, section] = /^## Errors\n(.*?)^## /ms.exec(readme)!;
  const table = [...section!.matchAll(/^\| `([A-Z_]+)` \| ([^|]+) \|/gm)];
  const documented = new Map(table.map(([, code, beginnings]) => [code!, beginnings!.split(', or ')]));

  expect([...documented.keys()].sort()).toEqual([...new Set(ANSWERED.map(([, code]) => code))].sort());
  for (const [, errorCode, , error] of ANSWERED) {
    const beginnings = documented.get(errorCode)!;
    expect(
      beginnings.some((beginning) => error.startsWith(beginning)),
      `${errorCode}: ${error}`,
    ).toBe(true);
  }
});
