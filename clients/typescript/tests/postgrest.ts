// A scripted PostgREST over real HTTP: answers what it is told to, and keeps what it was asked.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { createCometChatAuth, type CometChatAuth, type CometChatAuthOptions } from '../src/index.js';

export const ADA = '6f1c0a52-3a6b-4b1e-9d0f-1d2c3b4a5968';
export const SUCCESS = { success: true, authToken: `${ADA}_token`, cometchatUid: ADA };
export const REVOKED = { success: true, cometchatUid: ADA };
export const QUEUED = { success: false, error: 'CometChat did not answer in time', errorCode: 'TIMEOUT', queued: true };

/** What to do with a request: answer with a status and a body, break the connection, or say nothing. */
export type Step = { status?: number; body?: unknown; headers?: Record<string, string> } | 'reset' | 'hang';
export interface Request {
  function: string;
  method: string;
  body: unknown;
  headers: IncomingMessage['headers'];
}

export class Postgrest {
  readonly requests: Request[] = [];
  /** Requests that were neither answered nor given up by who sent them. */
  openRequests = 0;
  private script: Step[] = [];
  private readonly server: Server = createServer((request, response) => void this.answer(request, response));

  static async start(): Promise<Postgrest> {
    const postgrest = new Postgrest();
    await new Promise<void>((resolve) => postgrest.server.listen(0, '127.0.0.1', resolve));
    return postgrest;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** One step for each request to come; the last goes on for all that follow. */
  answers(...script: Step[]): void {
    this.script = script;
    this.requests.length = 0;
  }

  /** Real supabase-js, without the parts that keep timers. */
  supabase(options: { fetch?: typeof fetch } = {}): SupabaseClient {
    return createClient(this.url, 'anon-key', {
      auth: { persistSession: false, autoRefreshToken: false },
      global: options,
    });
  }

  /** The client under test, whose waits are short. */
  client(options: CometChatAuthOptions = {}): CometChatAuth {
    return createCometChatAuth(this.supabase(), { retryDelayMs: 5, deadlineMs: 5000, ...options });
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.openRequests++;
    response.on('close', () => this.openRequests--);
    let body = '';
    for await (const chunk of request) body += chunk;
    this.requests.push({
      function: (request.url ?? '').replace('/rest/v1/rpc/', ''),
      method: request.method ?? '',
      body: JSON.parse(body || 'null'),
      headers: request.headers,
    });
    const step = (this.script.length > 1 ? this.script.shift() : this.script[0]) ?? 'reset';
    if (step === 'hang') return;
    if (step === 'reset') {
      request.socket.destroy();
      return;
    }
    const text = typeof step.body === 'string' ? step.body : JSON.stringify(step.body);
    response.writeHead(step.status ?? 200, { 'content-type': 'application/json', ...step.headers });
    response.end(text);
  }
}

/** An error as PostgREST words it. */
export function postgrestError(status: number, code: string, message = 'a message with a secret value'): Step {
  return { status, body: { code, message, details: null, hint: null } };
}

/** Polls until `condition` holds, for five seconds at most. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('it did not come to that within five seconds');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
