// Starts, once for all tests, what `tools/example.sh` starts: database, gateway, CometChat, and the page.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build, preview, type PreviewServer } from 'vite';
import type { TestProject } from 'vitest/node';

export interface Addresses {
  /** The page with the local CometChat, the one that is set up for a real app, and one for neither. */
  page: string;
  realAppPage: string;
  noAppPage: string;
  /** Steers the local CometChat. */
  control: string;
  cometChatApi: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    addresses: Addresses;
  }
}

export const REAL_APP = { id: '2790000000000example', region: 'eu' };
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SERVE = fileURLToPath(new URL('../../../../tests/supabase/src/serve.ts', import.meta.url));

export default async function setup(project: TestProject) {
  const backend = spawn(process.execPath, [SERVE], { stdio: ['ignore', 'pipe', 'inherit'] });
  const pages: PreviewServer[] = [];
  const stop = async () => {
    await Promise.all(pages.map((page) => page.close()));
    await end(backend);
  };
  try {
    const { url, publishableKey, controlUrl, apiUrl } = JSON.parse(await firstLine(backend));
    Object.assign(process.env, { VITE_SUPABASE_URL: url, VITE_SUPABASE_PUBLISHABLE_KEY: publishableKey });
    // Empty, not absent: a .env.local may be there, and these go before it.
    Object.assign(process.env, { VITE_COMETCHAT_APP_ID: '', VITE_COMETCHAT_REGION: '' });
    pages.push(await servePage('none'));
    Object.assign(process.env, { LOCAL_COMETCHAT_API_URL: apiUrl, LOCAL_COMETCHAT_CONTROL_URL: controlUrl });
    pages.push(await servePage('local'));
    Object.assign(process.env, { VITE_COMETCHAT_APP_ID: REAL_APP.id, VITE_COMETCHAT_REGION: REAL_APP.region });
    pages.push(await servePage('real'));
    project.provide('addresses', {
      noAppPage: address(pages[0]!),
      page: address(pages[1]!),
      realAppPage: address(pages[2]!),
      control: controlUrl,
      cometChatApi: apiUrl,
    });
  } catch (failure) {
    await stop();
    throw failure;
  }
  return stop;
}

/** The page as it would be deployed, built with the environment as it is now. */
async function servePage(name: string) {
  const config = { root: ROOT, logLevel: 'warn', build: { outDir: `node_modules/.test-${name}` } } as const;
  await build(config);
  return preview({ ...config, preview: { host: '127.0.0.1', port: 0 } });
}

const address = (server: PreviewServer) => server.resolvedUrls!.local[0]!;

async function firstLine(child: ChildProcess): Promise<string> {
  const late = AbortSignal.timeout(50_000);
  const lines = createInterface(child.stdout!);
  const ended = once(child, 'exit', { signal: late }).then(([code]) => {
    throw new Error(`the backend ended with status ${code}`);
  });
  return Promise.race([once(lines, 'line', { signal: late }).then(([line]) => line as string), ended]);
}

async function end(child: ChildProcess) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit', { signal: AbortSignal.timeout(30_000) }).catch(() => child.kill('SIGKILL'));
}
