// Everything that a test or a page needs: a database, CometChat, and two gateways in front of it.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { Cleanup } from './cleanup.ts';
import { Cluster, type ChatApp } from './cluster.ts';
import { openGateway } from './gateway/gateway.ts';
import { newKeys, type Keys } from './gateway/keys.ts';
import { serve } from './http.ts';
import { openLite } from './lite.ts';
import { APP, Simulator } from './simulator.ts';

export interface Stack {
  cluster: Cluster;
  /** The local CometChat; none if a real app is used. */
  chat: Simulator | undefined;
  apiUrl: string;
  keys: Keys;
  /** The gateway that is @supabase/lite. */
  liteUrl: string;
  /** The gateway of our own, which does as PostgREST does. */
  gatewayUrl: string;
  /** A setting of the database's (null: reset), which both gateways then have. */
  set: (name: string, value: string | null) => Promise<void>;
  stop: () => Promise<void>;
}

export interface Options {
  /** Where the first gateway listens; 0: anywhere. */
  port?: number;
  /** A real app of CometChat's instead of a local one. */
  app?: ChatApp;
}

export async function startStack({ port = 0, app }: Options = {}): Promise<Stack> {
  const cleanup = new Cleanup();
  try {
    const dir = await mkdtemp(`${tmpdir()}/cometchat-supabase.`);
    cleanup.add(() => rm(dir, { recursive: true, force: true }));
    let chat: Simulator | undefined;
    if (!app) {
      const simulator = await Simulator.start(dir);
      cleanup.add(() => simulator.stop());
      app = { appId: APP, region: 'us', apiKey: simulator.apiKey, baseUrl: simulator.apiUrl };
      chat = simulator;
    }
    const cluster = await Cluster.start(dir, app);
    cleanup.add(() => cluster.stop());
    const keys = newKeys();
    const lite = await openLite(cluster, keys);
    cleanup.add(() => lite.stop());
    const gateway = openGateway(cluster, keys);
    cleanup.add(() => gateway.stop());
    const liteServer = await serve(lite.handler, port);
    cleanup.add(() => liteServer.stop());
    const gatewayServer = await serve(gateway.handler);
    cleanup.add(() => gatewayServer.stop());
    return {
      cluster,
      chat,
      apiUrl: app.baseUrl ?? `https://${app.appId}.api-${app.region}.cometchat.io/v3`,
      keys,
      liteUrl: liteServer.url,
      gatewayUrl: gatewayServer.url,
      async set(name, value) {
        await cluster.set(name, value);
        await Promise.all([lite.reconnect(), gateway.reconnect()]);
      },
      stop: () => cleanup.run(),
    };
  } catch (failure) {
    await cleanup.run();
    throw failure;
  }
}

/** The real app that the environment names, if it names one. */
export async function appFromEnvironment(): Promise<ChatApp | undefined> {
  const { COMETCHAT_APP_ID: appId, COMETCHAT_REGION: region, COMETCHAT_API_KEY_FILE: file } = process.env;
  if (!appId && !region && !file) return undefined;
  if (!appId || !region || !file) {
    throw new Error('COMETCHAT_APP_ID, COMETCHAT_REGION and COMETCHAT_API_KEY_FILE go together');
  }
  return { appId, region, apiKey: (await readFile(file, 'utf8')).trim() };
}
