// What the tests share: a stack for the file, clients of either gateway, people who sign up.
import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { startStack, type Stack } from '../src/stack.ts';
import type { Simulator } from '../src/simulator.ts';
import { eventually } from '../src/wait.ts';

export { eventually };

export const GATEWAYS = ['@supabase/lite', 'the gateway like PostgREST'] as const;
export type GatewayName = (typeof GATEWAYS)[number];
export const POSTGREST = GATEWAYS[1];

/** The one shape that every call answers with. */
export interface Answer {
  success: boolean;
  authToken?: string;
  cometchatUid?: string;
  error?: string;
  errorCode?: string;
  queued?: true;
}

export interface Person {
  id: string;
  name: string;
  email: string;
  /** supabase-js with this person's session. */
  client: SupabaseClient;
}

let people = 0;

/** A stack for all tests of a file; what they broke is mended between them. */
export function useStack(): World {
  const world = new World();
  beforeAll(async () => {
    world.stack = await startStack();
  });
  afterEach(async () => {
    await world.chat.control('DELETE', '/faults');
    await world.chat.listener('open');
    await world.resetSettings();
  });
  afterAll(() => world.stack?.stop());
  return world;
}

export class World {
  stack!: Stack;
  readonly #changed = new Set<string>();

  get chat(): Simulator {
    return this.stack.chat!;
  }

  url(gateway: GatewayName): string {
    return gateway === '@supabase/lite' ? this.stack.liteUrl : this.stack.gatewayUrl;
  }

  /** A setting of the database's, until the test ends. */
  async set(name: string, value: string): Promise<void> {
    this.#changed.add(name);
    await this.stack.set(name, value);
  }

  async resetSettings(): Promise<void> {
    for (const name of this.#changed) await this.stack.set(name, null);
    this.#changed.clear();
  }

  /** supabase-js without a session: a browser's, or with the secret key a server's. */
  client(gateway: GatewayName, key = this.stack.keys.publishable): SupabaseClient {
    return createClient(this.url(gateway), key, { auth: { persistSession: false, autoRefreshToken: false } });
  }

  server(gateway: GatewayName): SupabaseClient {
    return this.client(gateway, this.stack.keys.secret);
  }

  /** Signs somebody up, who is logged in then. */
  async signUp(gateway: GatewayName, name = `Person ${people + 1}`): Promise<Person> {
    people += 1;
    const client = this.client(gateway);
    const email = `person-${people}@example.com`;
    const { data, error } = await client.auth.signUp({
      email,
      password: PASSWORD,
      options: { data: { display_name: name } },
    });
    expect(error).toBeNull();
    expect(data.session).not.toBeNull();
    return { id: data.user!.id, name, email, client };
  }

  /** Logs somebody in on another device. */
  async logIn(gateway: GatewayName, person: Person): Promise<SupabaseClient> {
    const client = this.client(gateway);
    const { error } = await client.auth.signInWithPassword({ email: person.email, password: PASSWORD });
    expect(error).toBeNull();
    return client;
  }

  /** The token that is stored for somebody; undefined without a row. */
  async stored(id: string): Promise<string | null | undefined> {
    const sql = 'select cometchat_auth_token as token from cometchat_users where user_id = $1';
    return (await this.stack.cluster.sql<{ token: string | null }>(sql, [id]))[0]?.token;
  }

  /** Waits for what the trigger and the worker do by themselves after a sign-up. */
  async arrived(person: { id: string }): Promise<string> {
    return eventually('the worker has stored a token', () => this.stored(person.id));
  }

  /** The worker sleeps, so that what CometChat is asked for is the call's own doing. */
  async pauseWorker(): Promise<void> {
    await this.stack.cluster.sql('select cometchat.pause()');
    await eventually('the worker has left', async () => {
      const sql = `select from pg_stat_activity
                   where backend_type like 'cometchat worker%' and datname is not null
                      or state = 'active' and query = 'CALL cometchat.process_queue()'`;
      return (await this.stack.cluster.sql(sql)).length === 0;
    });
  }
}

export const PASSWORD = 'correct horse battery staple';

/** An answer, which always comes with HTTP 200. */
export async function answer(client: SupabaseClient, name: string, args: object = {}): Promise<Answer> {
  const { data, error, status } = await client.rpc(name, args);
  expect(error).toBeNull();
  expect(status).toBe(200);
  return data as Answer;
}

export const ensure = (client: SupabaseClient, args: object = {}) =>
  answer(client, 'cometchat_ensure_user', args);
export const refresh = (client: SupabaseClient, args: object = {}) =>
  answer(client, 'cometchat_refresh_token', args);
export const revoke = (client: SupabaseClient, args: object = {}) =>
  answer(client, 'cometchat_revoke_tokens', args);
