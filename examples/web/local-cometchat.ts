// A Vite plugin for local work: lets the page log in at the simulator, and switch it off and on.
// The simulator is a REST API for servers, without CORS and with a key that a browser must not have.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Connect, Plugin } from 'vite';

export interface LocalCometChat {
  apiUrl: string;
  controlUrl: string;
}

export function localCometChat({ apiUrl, controlUrl }: LocalCometChat): Plugin {
  const control = async (path: string) => (await fetch(`${controlUrl}${path}`)).json() as Promise<any>;

  /** GET /v3/{path} as a server does it, in whichever app of the simulator has an answer. */
  async function ask(path: string): Promise<Response> {
    const [{ key }] = (await control('/keys')).keys;
    const apps = Object.keys((await control('/state')).apps);
    let answer: Response | undefined;
    for (const appId of apps.length > 0 ? apps : ['none']) {
      answer = await fetch(`${apiUrl}${path}`, { headers: { apiKey: key, appId }, signal: AbortSignal.timeout(5000) });
      if (answer.ok) break;
    }
    return answer!;
  }

  /** What CometChat's client API does for `GET /me`: the user that the token belongs to. */
  async function me(request: IncomingMessage, response: ServerResponse) {
    const user = `/users/${encodeURIComponent(String(request.headers['uid']))}`;
    const token = encodeURIComponent(String(request.headers['authtoken']));
    const known = await ask(`${user}/auth_tokens/${token}`);
    if (!known.ok) {
      const code = 'AUTH_ERR_AUTH_TOKEN_NOT_FOUND';
      return send(response, 401, { error: { code, message: 'The auth token does not exist.' } });
    }
    const found = await ask(user);
    send(response, found.status, await found.json());
  }

  async function listener(request: IncomingMessage, response: ServerResponse) {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const put = request.method === 'PUT';
    const answer = await fetch(`${controlUrl}/listener`, put ? { method: 'PUT', body: Buffer.concat(chunks) } : {});
    send(response, answer.status, await answer.json());
  }

  function serve({ middlewares }: { middlewares: Connect.Server }) {
    for (const [path, handle] of [['/local-cometchat/me', me], ['/local-cometchat/listener', listener]] as const) {
      middlewares.use(path, (request, response) => {
        handle(request, response).catch(() =>
          send(response, 502, { error: { code: 'NETWORK', message: 'The local CometChat does not answer.' } }),
        );
      });
    }
  }
  return { name: 'local-cometchat', configureServer: serve, configurePreviewServer: serve };
}

function send(response: ServerResponse, status: number, body: unknown) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
