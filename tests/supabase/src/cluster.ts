// A throwaway PostgreSQL cluster like Supabase's, with the extension preloaded, created, and its
// trigger attached.
import { execFile } from 'node:child_process';
import { chown, stat, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import * as hosted from './hosted.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');
const fixture = fileURLToPath(new URL('../fixture.sql', import.meta.url));
const patience = { timeout: 120_000 };

/** PostgreSQL's major version, whose copy has the extension. */
const major = process.env.COMETCHAT_PG || '15';

/** Where the build is. */
export const target = process.env.CARGO_TARGET_DIR ?? `${root}/target`;

export interface ChatApp {
  appId: string;
  region: string;
  apiKey: string;
  /** Where CometChat's API is, if not at its usual place. */
  baseUrl?: string;
}

export class Cluster {
  readonly dir: string;
  /** A superuser's connections: what an operator does. */
  readonly admin: pg.Pool;

  readonly #app: ChatApp;

  private constructor(dir: string, app: ChatApp) {
    this.dir = dir;
    this.#app = app;
    this.admin = this.pool('supabase_admin', 4);
  }

  static async start(dir: string, app: ChatApp): Promise<Cluster> {
    const lines = hosted.isHosted ? hosted.conf(dir) : [
      "shared_preload_libraries = 'cometchat_ext'",
      `cometchat.app_id = ${quote(app.appId)}`,
      `cometchat.region = ${quote(app.region)}`,
      `cometchat.api_key_file = ${quote(`${dir}/cometchat.key`)}`,
      `cometchat.api_base_url = ${quote(app.baseUrl ?? '')}`,
    ];
    await run(`${root}/tools/cluster.sh`, ['start', dir, major, ...lines], patience);
    const cluster = new Cluster(dir, app);
    try {
      await cluster.#fill(app);
    } catch (failure) {
      await cluster.stop();
      throw failure;
    }
    return cluster;
  }

  async #fill(app: ChatApp): Promise<void> {
    const program = `${await bin()}/psql`;
    // psql, because the files are written for it.
    const psql = (role: string, ...files: string[]) => {
      const args = ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', this.dir, '-U', role, '-d', 'postgres'];
      return run(program, [...args, ...files.flatMap((file) => ['-f', file])], patience);
    };
    await psql('supabase_admin', fixture);
    if (await this.#hasSafeupdate()) {
      await this.sql(`alter role authenticator set session_preload_libraries = 'safeupdate'`);
    }
    if (hosted.isHosted) {
      const start = (name: string, args: string[]) => run(name, args, patience);
      await hosted.install(this.dir, root, app, psql, start, (text, values) => this.sql(text, values));
    } else {
      // SECURITY: as in production, the key is in a file that only the server can read.
      const key = `${this.dir}/cometchat.key`;
      const { uid, gid } = await stat(`${this.dir}/data`);
      await writeFile(key, `${app.apiKey}\n`, { mode: 0o600 });
      await chown(key, uid, gid);
      await this.sql('create extension cometchat_ext');
    }
    await this.sql('select cometchat.enable_auth_trigger()');
  }

  /** Whether tools/safeupdate.sh has installed it; serve.ts does without. */
  async #hasSafeupdate(): Promise<boolean> {
    const found = await this.sql(
      `select from pg_config
       where name = 'PKGLIBDIR' and (pg_stat_file(setting || '/safeupdate.so', true)).size is not null`,
    );
    return found.length > 0;
  }

  /** Connections that log in as `role`. */
  pool(role: string, max: number): pg.Pool {
    const pool = new pg.Pool({ host: this.dir, user: role, database: 'postgres', max });
    // A connection that the server ends is replaced at the next use; a query on it fails by itself.
    pool.on('error', () => {});
    pool.on('connect', (client) => client.on('error', () => {}));
    return pool;
  }

  /** One statement as a superuser; its rows. */
  async sql<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.admin.query<Row>(text, values)).rows;
  }

  /** `ALTER DATABASE … SET`, for sessions that start from now on. */
  async set(name: string, value: string | null): Promise<void> {
    if (hosted.isHosted && name.startsWith('cometchat.')) {
      return hosted.set((text, values) => this.sql(text, values), this.#app, name, value);
    }
    const change = value === null ? `reset ${name}` : `set ${name} = ${quote(value)}`;
    await this.sql(`alter database postgres ${change}`);
  }

  async stop(): Promise<void> {
    await this.admin.end();
    await run(`${root}/tools/cluster.sh`, ['stop', this.dir, major], patience);
  }
}

async function bin(): Promise<string> {
  const script = 'source "$0/tools/lib.sh"; pg_bin "$1"';
  return (await run('bash', ['-c', script, root, major], patience)).stdout.trim();
}

const quote = (value: string) => `'${value.replaceAll("'", "''")}'`;
