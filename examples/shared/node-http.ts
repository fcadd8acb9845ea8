// The local CometChat on Node's HTTP servers: as a middleware, as a plugin of Vite, beside a folder of files.
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { answer, type LocalCometChat } from './local-cometchat.ts';

async function respond(local: LocalCometChat, path: string, request: IncomingMessage, response: ServerResponse) {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const headers = new Headers();
  for (const name of ['authtoken', 'uid']) headers.set(name, String(request.headers[name] ?? ''));
  const body = request.method === 'PUT' ? { body: Buffer.concat(chunks) } : {};
  const made = await answer(local, new Request(`http://localhost${path}`, { method: request.method ?? 'GET', headers, ...body }));
  response.writeHead(made.status, { 'content-type': 'application/json' }).end(await made.text());
}

/** As much of Vite's servers as is used here. */
interface ViteServer {
  middlewares: { use(path: string, handler: (request: IncomingMessage, response: ServerResponse) => void): unknown };
}

export function localCometChatPlugin(local: LocalCometChat) {
  const serve = ({ middlewares }: ViteServer) => {
    for (const path of ['/local-cometchat/me', '/local-cometchat/listener']) {
      middlewares.use(path, (request, response) => void respond(local, path, request, response));
    }
  };
  return { name: 'local-cometchat', configureServer: serve, configurePreviewServer: serve };
}

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css',
  '.json': 'application/json', '.svg': 'image/svg+xml', '.ico': 'image/x-icon',
};

/** A built page as a host of static files serves it; `made` are files that are made here. */
export async function serveFolder(folder: string, local: LocalCometChat, made: Record<string, string> = {}, port = 0) {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    if (path.startsWith('/local-cometchat/')) return void respond(local, path, request, response);
    const name = path === '/' ? '/index.html' : normalize(decodeURIComponent(path));
    const content = name in made ? Promise.resolve(made[name]!) : readFile(join(folder, name));
    content.then(
      (bytes) => response.writeHead(200, { 'content-type': TYPES[extname(name)] ?? 'application/octet-stream' }).end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return {
    page: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
