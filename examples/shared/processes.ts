// Programs that run beside a test: started, read up to the line that says they are ready, ended.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

export interface Running {
  /** The line that said it is ready. */
  line: string;
  stop(): Promise<void>;
}

/** Runs `node ARGS` until a line on standard output matches; for a minute at most. */
export async function startNode(args: string[], ready: RegExp, options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Promise<Running> {
  // In a session of its own: Ctrl-C is for whoever started this, which stops things in order.
  const child = spawn(process.execPath, args, { ...options, detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
  const stop = () => end(child);
  const late = setTimeout(() => child.kill(), 60_000);
  try {
    for await (const line of createInterface(child.stdout!)) if (ready.test(line)) return { line, stop };
    throw new Error(`node ${args.join(' ')} ended without a line like ${ready}`);
  } catch (failure) {
    await stop();
    throw failure;
  } finally {
    clearTimeout(late);
    child.stdout!.resume();
  }
}

async function end(child: ChildProcess) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit', { signal: AbortSignal.timeout(30_000) }).catch(() => child.kill('SIGKILL'));
}

/** Runs `node ARGS` to its end; what it printed is shown only if it fails. */
export async function runNode(args: string[], cwd: string, env: NodeJS.ProcessEnv) {
  const options = { cwd, env: { ...process.env, ...env }, timeout: 300_000, maxBuffer: 1 << 24 };
  await promisify(execFile)(process.execPath, args, options).catch((error) => {
    throw new Error(`${error.message}\n${error.stdout}\n${error.stderr}`);
  });
}
