// Starts what the tests need: database, gateway and local CometChat in one process, and Next as deployed.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const ROOT = join(import.meta.dirname, '..');
const NEXT = join(ROOT, 'node_modules', 'next', 'dist', 'bin', 'next');
const SERVE = join(ROOT, '..', '..', 'tests', 'supabase', 'src', 'serve.ts');

export interface Stack {
  page: string;
  control: string;
  stop(): Promise<void>;
}

export async function startStack(): Promise<Stack> {
  const children: ChildProcess[] = [];
  const stop = async () => void (await Promise.all(children.map(end)));
  try {
    const backend = spawn(process.execPath, [SERVE], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(backend);
    const { url, publishableKey, controlUrl, apiUrl } = JSON.parse(await line(backend, /^\{/));
    const env = {
      ...process.env,
      NODE_ENV: 'production' as const,
      NEXT_TELEMETRY_DISABLED: '1',
      NEXT_PUBLIC_SUPABASE_URL: url,
      NEXT_PUBLIC_SUPABASE_PUBLISHABLE_KEY: publishableKey,
      // Empty, not absent: a .env.local may be there, and these go before it.
      NEXT_PUBLIC_COMETCHAT_APP_ID: '',
      NEXT_PUBLIC_COMETCHAT_REGION: '',
      LOCAL_COMETCHAT_API_URL: apiUrl,
      LOCAL_COMETCHAT_CONTROL_URL: controlUrl,
    };
    execFileSync(process.execPath, [NEXT, 'build'], { cwd: ROOT, env, stdio: 'pipe', timeout: 110_000 });
    const next = spawn(process.execPath, [NEXT, 'start', '--hostname', '127.0.0.1', '--port', '0'], {
      cwd: ROOT, env, stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(next);
    const page = (await line(next, /http:\/\/127\.0\.0\.1:\d+/)).match(/http:\/\/127\.0\.0\.1:\d+/)![0];
    return { page, control: controlUrl, stop };
  } catch (failure) {
    await stop();
    throw failure;
  }
}

async function line(child: ChildProcess, wanted: RegExp): Promise<string> {
  const late = setTimeout(() => child.kill(), 60_000);
  try {
    for await (const text of createInterface(child.stdout!)) if (wanted.test(text)) return text;
    throw new Error(`a server ended without a line like ${wanted}`);
  } finally {
    clearTimeout(late);
    child.stdout!.resume();
  }
}

async function end(child: ChildProcess) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit', { signal: AbortSignal.timeout(20_000) }).catch(() => child.kill('SIGKILL'));
}
