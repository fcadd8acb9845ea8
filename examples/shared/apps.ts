// How each example is built and served, as it would be deployed, on the stack of tests/supabase.
import { join } from 'node:path';
import { serveFolder } from './node-http.ts';
import { runNode, startNode } from './processes.ts';

export const EXAMPLES = join(import.meta.dirname, '..');
const SERVE = join(EXAMPLES, '..', 'tests', 'supabase', 'src', 'serve.ts');

/** Database, gateway and local CometChat, in one process. */
export interface Backend {
  url: string;
  publishableKey: string;
  apiUrl: string;
  controlUrl: string;
  stop(): Promise<void>;
}

export async function startBackend(): Promise<Backend> {
  const { line, stop } = await startNode([SERVE], /^\{.*\}$/);
  return { ...JSON.parse(line), stop };
}

/** An app of CometChat's, in whose place the local CometChat is used otherwise. */
export interface CometChatApp {
  appId: string;
  region: string;
}

export interface Page {
  page: string;
  stop(): Promise<void>;
}

export type AppName = keyof typeof apps;

/** By the name of its folder. `port` 0 is any. */
export const apps = {
  async vue(backend: Backend, app?: CometChatApp, port?: number): Promise<Page> {
    const folder = join(EXAMPLES, 'vue');
    const out = join('node_modules', `.built-${app ? 'cometchat' : 'local'}`);
    await runNode([bin(folder, 'vite', 'bin/vite.js'), 'build', '--outDir', out], folder, env('VITE', backend, app));
    return serveFolder(join(folder, out), backend, {}, port);
  },

  async angular(backend: Backend, app?: CometChatApp, port?: number): Promise<Page> {
    const folder = join(EXAMPLES, 'angular');
    // One build for all: what differs is in settings.json.
    building ??= runNode([bin(folder, '@angular/cli', 'bin/ng.js'), 'build'], folder, { NG_CLI_ANALYTICS: 'false' });
    await building;
    const settings = {
      supabaseUrl: backend.url, supabasePublishableKey: backend.publishableKey,
      cometchatAppId: app?.appId ?? '', cometchatRegion: app?.region ?? '',
    };
    return serveFolder(join(folder, 'dist'), backend, { '/settings.json': JSON.stringify(settings) }, port);
  },

  async expo(backend: Backend, _?: CometChatApp, port?: number): Promise<Page> {
    const folder = join(EXAMPLES, 'expo');
    const own = { ...env('EXPO_PUBLIC', backend), EXPO_NO_TELEMETRY: '1', EXPO_OFFLINE: '1', CI: '1' };
    // The bundler's cache knows nothing of other settings.
    await runNode([bin(folder, 'expo', 'bin/cli'), 'export', '--platform', 'web', '--clear'], folder, own);
    return serveFolder(join(folder, 'dist'), backend, {}, port);
  },

  nextjs: (backend: Backend, app?: CometChatApp, port?: number) =>
    serveNext(join(EXAMPLES, 'nextjs'), env('NEXT_PUBLIC', backend, app), port),
};

let building: Promise<void> | undefined;

/** A Next.js app in any folder, as it would be deployed. */
export async function serveNext(folder: string, settings: Record<string, string>, port = 0): Promise<Page> {
  const program = bin(folder, 'next', 'dist/bin/next');
  const own = { ...settings, NODE_ENV: 'production' as const, NEXT_TELEMETRY_DISABLED: '1' };
  await runNode([program, 'build'], folder, own);
  const { line, stop } = await startNode([program, 'start', '--hostname', '127.0.0.1', '--port', String(port)], ADDRESS, {
    cwd: folder, env: { ...process.env, ...own },
  });
  return { page: `${line.match(ADDRESS)![0]}/`, stop };
}

const ADDRESS = /http:\/\/127\.0\.0\.1:\d+/;
const bin = (folder: string, name: string, path: string) => join(folder, 'node_modules', name, path);

/** The settings as the bundlers take them. Empty, not absent: a .env.local may be there, and these go before it. */
function env(prefix: string, backend: Backend, app?: CometChatApp): Record<string, string> {
  return {
    [`${prefix}_SUPABASE_URL`]: backend.url,
    [`${prefix}_SUPABASE_PUBLISHABLE_KEY`]: backend.publishableKey,
    [`${prefix}_COMETCHAT_APP_ID`]: app?.appId ?? '',
    [`${prefix}_COMETCHAT_REGION`]: app?.region ?? '',
    LOCAL_COMETCHAT_API_URL: backend.apiUrl,
    LOCAL_COMETCHAT_CONTROL_URL: backend.controlUrl,
  };
}
