// Serves a gateway, written as Request to Response, over HTTP on this machine, with CORS for pages
// of any origin.
import { createServer, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import type { AddressInfo } from 'node:net';

export type Handler = (request: Request) => Promise<Response>;

export interface Server {
  url: string;
  stop: () => Promise<void>;
}

export async function serve(handler: Handler, port = 0): Promise<Server> {
  const server = createServer(async (incoming, outgoing) => {
    try {
      const request = await read(incoming);
      const preflight = request.method === 'OPTIONS';
      const response = preflight ? new Response(null, { status: 204 }) : await handler(request);
      const headers = new Headers(response.headers);
      for (const [name, value] of cors(request)) headers.set(name, value);
      outgoing.writeHead(response.status, Object.fromEntries(headers));
      outgoing.end(Buffer.from(await response.arrayBuffer()));
    } catch (failure) {
      console.error(failure);
      outgoing.writeHead(500, { 'content-type': 'application/json' });
      outgoing.end('{"message":"the gateway failed"}');
    }
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${bound}`,
    stop: () =>
      new Promise((resolve, reject) => {
        server.close((failure) => (failure ? reject(failure) : resolve()));
        server.closeAllConnections();
      }),
  };
}

async function read(incoming: IncomingMessage): Promise<Request> {
  const url = new URL(incoming.url ?? '/', `http://${incoming.headers.host ?? '127.0.0.1'}`);
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  const method = incoming.method ?? 'GET';
  const bodyless = method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
  const body = bodyless ? null : await new Response(Readable.toWeb(incoming) as ReadableStream).arrayBuffer();
  return new Request(url, { method, headers, body });
}

/** supabase-js adds headers of its own from version to version: whatever is asked for is allowed. */
function cors(request: Request): [string, string][] {
  const wanted = request.headers.get('access-control-request-headers');
  return [
    ['access-control-allow-origin', '*'],
    ['access-control-allow-methods', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'],
    ['access-control-allow-headers', wanted ?? 'authorization, apikey, content-type, x-client-info'],
    ['access-control-expose-headers', 'content-range, content-location, sb-error-code'],
    ['access-control-max-age', '600'],
  ];
}
