// The local CometChat as a process, and its control API (tests/simulator/README.md).
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync, closeSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { target } from './cluster.ts';
import { eventually } from './wait.ts';

/** The app that the extension is configured for here. */
export const APP = 'app1';

export interface ChatUser {
  uid: string;
  name: string;
  avatar?: string;
  metadata?: { '@private'?: { email?: string } };
  deactivatedAt?: number;
  tokens: string[];
}

export class Simulator {
  readonly apiUrl: string;
  readonly controlUrl: string;
  readonly apiKey: string;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, apiUrl: string, controlUrl: string, apiKey: string) {
    this.#process = process;
    this.apiUrl = apiUrl;
    this.controlUrl = controlUrl;
    this.apiKey = apiKey;
  }

  /** With its files in an existing folder. */
  static async start(dir: string): Promise<Simulator> {
    const ready = `${dir}/simulator.json`;
    const log = openSync(`${dir}/simulator.log`, 'w');
    const args = ['--port', '0', '--control-port', '0', '--ready-file', ready];
    const child = spawn(`${target}/release/cometchat-simulator`, args, { stdio: ['ignore', log, log] });
    closeSync(log);
    // Whoever cleans up after a crash of ours finds it by this.
    await writeFile(`${dir}/simulator.pid`, `${child.pid}\n`);
    try {
      const addresses = await eventually('the simulator is ready', async () => {
        if (child.exitCode !== null) throw new Error('the simulator ended at once');
        return readFile(ready, 'utf8').then(JSON.parse, () => undefined);
      });
      const key = /^API key\s+(\S+)/m.exec(await readFile(`${dir}/simulator.log`, 'utf8'))?.[1];
      if (!key) throw new Error('the simulator did not print its API key');
      return new Simulator(child, addresses.base_url, addresses.control_url, key);
    } catch (failure) {
      child.kill();
      throw failure;
    }
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill();
    await ended;
  }

  /** One call of the control API. */
  async control<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await fetch(`${this.controlUrl}${path}`, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text ? JSON.parse(text) : undefined) as T;
  }

  /** The user as CometChat has it, tokens included. */
  async user(uid: string): Promise<ChatUser | undefined> {
    const url = `${this.controlUrl}/users/${uid}?app=${APP}`;
    const answer = await fetch(url, { signal: AbortSignal.timeout(10_000) });
    if (answer.status === 404) return undefined;
    if (!answer.ok) throw new Error(`user ${uid}: ${answer.status} ${await answer.text()}`);
    const { user, tokens } = (await answer.json()) as { user: ChatUser; tokens: string[] };
    return { ...user, tokens };
  }

  /** The operations that CometChat was asked for about one user since the start, in order. */
  async asked(uid: string): Promise<string[]> {
    type Requests = { requests: { operation: string }[] };
    const { requests } = await this.control<Requests>('GET', `/requests?uid=${uid}`);
    return requests.map((request) => request.operation);
  }

  async break(fault: { kind: string; [field: string]: unknown }): Promise<void> {
    await this.control('POST', '/faults', fault);
  }

  async listener(state: 'open' | 'paused' | 'closed'): Promise<void> {
    await this.control('PUT', '/listener', { state });
  }
}
