// src/serve.ts: the stack for a page or a script.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createClient } from '@supabase/supabase-js';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { appFromEnvironment } from '../src/stack.ts';
import { ensure, PASSWORD } from './support.ts';

// A whole stack starts within a test here, which elsewhere is a hook's work.
vi.setConfig({ testTimeout: 120_000 });

const script = fileURLToPath(new URL('../src/serve.ts', import.meta.url));

let dir: string;
let server: ChildProcess | undefined;

beforeEach(async () => {
  dir = await mkdtemp(`${tmpdir()}/serve.`);
  await chmod(dir, 0o711); // the server's own user passes through
});
afterEach(async () => {
  if (server && server.exitCode === null && server.signalCode === null) {
    const ended = once(server, 'exit');
    server.kill();
    await ended;
  }
  await rm(dir, { recursive: true, force: true });
});

/** Starts it, and reads its standard output until the line is there. */
async function start(args: string[], environment: NodeJS.ProcessEnv = {}) {
  const env = { ...process.env, TMPDIR: dir, ...environment };
  const child = spawn(process.execPath, [script, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  server = child;
  const lines: string[] = [];
  const output = createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  await Promise.race([once(output, 'line'), once(child, 'exit')]);
  expect(lines).toHaveLength(1);
  return { child, lines };
}

test('one line says where everything is, a page of another origin can use it, and SIGTERM leaves nothing', async () => {
  const { child, lines } = await start([]);
  const { url, publishableKey, serviceKey, rpcUrl, controlUrl, apiUrl } = JSON.parse(lines[0]!);

  for (const gateway of [url, rpcUrl]) {
    const client = createClient(gateway, publishableKey);
    const { error } = await client.auth.signUp({
      email: `${new URL(gateway).port}@example.com`,
      password: PASSWORD,
    });
    expect(error).toBeNull();
    expect(await ensure(client)).toMatchObject({ success: true });
    expect((await createClient(gateway, serviceKey).from('cometchat_users').select()).status).toBe(200);
    const preflight = await fetch(`${gateway}/rest/v1/rpc/cometchat_ensure_user`, {
      method: 'OPTIONS',
      headers: {
        origin: 'http://localhost:5173',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'apikey,authorization,x-of-tomorrow',
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe('*');
    expect(preflight.headers.get('access-control-allow-headers')).toBe('apikey,authorization,x-of-tomorrow');
  }
  const state = (await (await fetch(`${controlUrl}/state`)).json()) as {
    apps: Record<string, { active: number }>;
  };
  expect(state.apps.app1!.active).toBe(2);
  expect(apiUrl).toMatch(/\/v3$/);

  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
  expect(lines).toHaveLength(1);
  expect(await readdir(dir)).toEqual([]);
  await expect(fetch(`${controlUrl}/state`)).rejects.toThrow();
});

test('with a real app in the environment there is no local CometChat', async () => {
  await writeFile(`${dir}/key`, 'a key\n');
  const app = { COMETCHAT_APP_ID: 'myapp', COMETCHAT_REGION: 'eu', COMETCHAT_API_KEY_FILE: `${dir}/key` };

  const { lines } = await start(['--port', '0'], app);

  expect(JSON.parse(lines[0]!)).toMatchObject({
    controlUrl: null,
    apiUrl: 'https://myapp.api-eu.cometchat.io/v3',
  });
});

test('half of a real app is refused', async () => {
  process.env.COMETCHAT_APP_ID = 'myapp';
  try {
    await expect(appFromEnvironment()).rejects.toThrow('go together');
  } finally {
    delete process.env.COMETCHAT_APP_ID;
  }
});
