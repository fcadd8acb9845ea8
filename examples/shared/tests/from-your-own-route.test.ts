// The walk-through of docs/frameworks/from-your-own-route.md: an app with a route, a service and a table of its
// own is used, moved to the extension by the diff and docs/migrate.sql, and used again by the same people.
import { execFileSync } from 'node:child_process';
import { cp, readFile, readdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EXAMPLES, serveNext, type Page } from '../apps.ts';
import { controlOf } from './cometchat.ts';
import { openBrowser, Visitor } from './visitor.ts';

const HERE = join(EXAMPLES, 'from-your-own-route');
const APP = join(HERE, '.try');
const REPOSITORY = join(EXAMPLES, '..');
/** What a browser must not be sent any more. */
const AUTH_KEY = 'the-auth-key-in-every-browser';

/** As much of tests/supabase/src/stack.ts as is used here. */
interface Stack {
  cluster: { sql(text: string): Promise<Record<string, unknown>[]> };
  chat: { controlUrl: string; apiKey: string };
  apiUrl: string;
  liteUrl: string;
  keys: { publishable: string; secret: string };
  set(name: string, value: string | null): Promise<void>;
  stop(): Promise<void>;
}

let stack: Stack;
let browser: Browser;
let app: Page | undefined;

beforeAll(async () => {
  const { startStack } = await import(join(REPOSITORY, 'tests', 'supabase', 'src', 'stack.ts'));
  stack = await startStack();
  browser = await openBrowser();
  // The database as it was: without the extension, with the app's own table.
  await stack.cluster.sql('drop extension cometchat_ext cascade');
  await stack.cluster.sql(await readFile(join(HERE, 'before', 'supabase', 'migrations', '0001_cometchat_users.sql'), 'utf8'));
  await rm(APP, { recursive: true, force: true });
  await cp(join(HERE, 'before'), APP, { recursive: true });
  await symlink(join('..', '..', 'nextjs', 'node_modules'), join(APP, 'node_modules'));
});
afterAll(async () => {
  await app?.stop();
  await browser?.close();
  await stack?.stop();
  await rm(APP, { recursive: true, force: true });
});

async function serve() {
  await app?.stop();
  await stack.set('statement_timeout', null); // the gateway looks at the database anew
  app = await serveNext(APP, {
    NEXT_PUBLIC_SUPABASE_URL: stack.liteUrl,
    NEXT_PUBLIC_SUPABASE_PUBLISHABLE_KEY: stack.keys.publishable,
    SUPABASE_SERVICE_ROLE_KEY: stack.keys.secret,
    NEXT_PUBLIC_COMETCHAT_APP_ID: 'app1',
    NEXT_PUBLIC_COMETCHAT_REGION: 'us',
    NEXT_PUBLIC_COMETCHAT_AUTH_KEY: AUTH_KEY,
    COMETCHAT_API_KEY: stack.chat.apiKey,
    COMETCHAT_API_URL: stack.apiUrl,
    LOCAL_COMETCHAT_CONTROL_URL: stack.chat.controlUrl,
  });
  return app.page;
}

/** Somebody's visit: what is done, then the uid that chat knows them by, and what was asked of the route. */
async function visit(page: string, who: { email: string } | undefined, act: (visitor: Visitor) => Promise<void>) {
  const visitor = await Visitor.open(browser, page);
  if (who) Object.assign(visitor, { email: who.email });
  const routed: string[] = [];
  visitor.page.on('request', (request) => request.url().includes('/api/cometchat') && routed.push(request.url()));
  try {
    await act(visitor);
    await visitor.chatSays('You can chat');
    expect(visitor.errors, 'errors in the browser’s console').toEqual([]);
    return { email: visitor.email, uid: await visitor.fact('uid').innerText(), routed };
  } finally {
    await visitor.leave();
  }
}

const tokensOf = async (uid: string) => (await controlOf({ controlUrl: stack.chat.controlUrl }).user(uid)).tokens;
/** Whether the Auth Key is in what browsers are sent. */
const hasAuthKey = async () => {
  const folder = join(APP, '.next', 'static');
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.js'));
  return (await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))).some((text) => text.includes(AUTH_KEY));
};

test('the app is moved, and whoever used it before goes on with the same token', { timeout: 600_000 }, async () => {
  const before = await serve();
  const ada = await visit(before, undefined, (visitor) => visitor.signUp('Ada Lovelace'));
  const [token] = await tokensOf(ada.uid);
  expect(ada.routed).not.toEqual([]);
  expect(await stack.cluster.sql('select cometchat_auth_token from public.cometchat_users')).toEqual([{ cometchat_auth_token: token }]);
  expect(await hasAuthKey()).toBe(true);

  // As the walk-through says: the table, then the code.
  await stack.cluster.sql(await readFile(join(REPOSITORY, 'docs', 'migrate.sql'), 'utf8'));
  await stack.cluster.sql('select cometchat.enable_auth_trigger(), cometchat.backfill()');
  execFileSync('git', ['apply', '-v', join(HERE, 'to-the-extension.diff')], {
    cwd: APP, stdio: 'pipe', env: { ...process.env, GIT_CEILING_DIRECTORIES: HERE }, timeout: 30_000,
  });
  const after = await serve();

  const again = await visit(after, ada, (visitor) => visitor.logIn());
  expect(again).toEqual({ ...ada, routed: [] });
  expect(await tokensOf(ada.uid)).toEqual([token]);
  const bob = await visit(after, undefined, (visitor) => visitor.signUp('Bob Kahn'));
  expect(bob.routed).toEqual([]);
  expect(await tokensOf(bob.uid)).toHaveLength(1);

  expect((await fetch(`${after}api/cometchat/user`, { method: 'POST' })).status, 'the route').toBe(404);
  expect(await hasAuthKey()).toBe(false);
});

test('the app asks for the packages of examples/nextjs, which it is tried with', async () => {
  const json = async (path: string) => JSON.parse(await readFile(path, 'utf8'));
  const [before, nextjs] = await Promise.all([json(join(HERE, 'before', 'package.json')), json(join(EXAMPLES, 'nextjs', 'package.json'))]);
  expect(nextjs.dependencies).toMatchObject(before.dependencies);
  expect(nextjs.devDependencies).toMatchObject(before.devDependencies);
});
