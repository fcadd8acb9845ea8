// The visitor's side of `make bench route`: logs in by `rpc('cometchat_ensure_user')` and by the server route, in
// turns, and prints one line of JSON for each pair: {what, ours, theirs}, in milliseconds; at the end {logins}, the
// number of first logins that were made.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { newKeys } from '../gateway/keys.ts';
import { given, type Config } from './config.ts';

/** Rounds that are not counted: connections, sessions, and what V8 compiles. */
const WARM_UP = 10;
/** How often a stored token is asked for, for each first login. */
const STORED = 5;
const WAYS = ['asks', 'verifies'] as const;

const { rounds } = given<Config>('CONFIG');
const keys = newKeys();
const children: ChildProcess[] = [];

async function start(script: string, environment: Record<string, unknown>): Promise<string> {
  const values = Object.entries({ KEYS: keys, ...environment }).map(([name, value]) => [name, JSON.stringify(value)]);
  const child = fork(fileURLToPath(new URL(script, import.meta.url)), {
    env: { ...process.env, ...Object.fromEntries(values) },
    stdio: ['ignore', 2, 2, 'ipc'],
  });
  children.push(child);
  const ended = once(child, 'exit').then(() => Promise.reject(new Error(`${script} ended at once`)));
  const [url] = await Promise.race([once(child, 'message'), ended]);
  return url as string;
}

const gateway = await start('gateway.ts', {});
const route = await start('route.ts', { GATEWAY: gateway });

interface Person {
  token: string;
  client: SupabaseClient;
}

let people = 0;
let logins = 0;

async function signUp(): Promise<Person> {
  people += 1;
  const quiet = { auth: { persistSession: false, autoRefreshToken: false } };
  const { data, error } = await createClient(gateway, keys.publishable, quiet).auth.signUp({
    email: `person-${people}@example.com`,
    password: 'a long password',
    options: { data: { full_name: `Person ${people}` } },
  });
  if (error) throw error;
  const token = data.session!.access_token;
  return { token, client: createClient(gateway, keys.publishable, { accessToken: async () => token }) };
}

async function ours({ client }: Person): Promise<unknown> {
  const { data, error } = await client.rpc('cometchat_ensure_user');
  if (error) throw error;
  return data;
}

async function theirs(way: string, { token }: Person): Promise<unknown> {
  const response = await fetch(`${route}/${way}`, { method: 'POST', headers: { authorization: `Bearer ${token}` } });
  if (!response.ok) throw new Error(`${way}: ${response.status} ${await response.text()}`);
  return response.json();
}

async function timed(login: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  const answer = (await login()) as { success?: boolean; authToken?: string };
  const took = performance.now() - started;
  if (!answer.success || !answer.authToken) throw new Error(JSON.stringify(answer));
  return took;
}

/** One login each way, now this one first and now that one. */
async function pair(n: number, what: string, way: string, [us, them]: [Person, Person]): Promise<void> {
  const took = { ours: 0, theirs: 0 };
  const sides = [
    async () => (took.ours = await timed(() => ours(us))),
    async () => (took.theirs = await timed(() => theirs(way, them))),
  ];
  for (const side of n % 2 === 0 ? sides : sides.reverse()) await side();
  if (n >= WARM_UP) process.stdout.write(`${JSON.stringify({ what: `${what} ${way}`, ...took })}\n`);
}

for (let n = 0; n < WARM_UP + rounds; n++) {
  for (const way of WAYS) {
    const both: [Person, Person] = [await signUp(), await signUp()];
    await pair(n, 'new', way, both);
    logins += 2;
    for (let again = 0; again < STORED; again++) await pair(n + again, 'stored', way, both);
  }
}
process.stdout.write(`${JSON.stringify({ logins })}\n`);
for (const child of children) child.disconnect();
