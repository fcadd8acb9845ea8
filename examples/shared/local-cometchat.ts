// What stands in for CometChat's client API where there is none: the simulator is a REST API for servers,
// without CORS and with a key that a browser must not have. Made for tests and `make example`, not for you.

export interface LocalCometChat {
  apiUrl: string;
  controlUrl: string;
}

/** Answers `/local-cometchat/me` and `/local-cometchat/listener`; everything else is nobody's. */
export async function answer(local: LocalCometChat, request: Request): Promise<Response> {
  try {
    switch (new URL(request.url).pathname) {
      case '/local-cometchat/me': return await me(local, request.headers);
      case '/local-cometchat/listener': return await listener(local, request);
      default: return new Response(null, { status: 404 });
    }
  } catch {
    return failure(502, 'NETWORK', 'The local CometChat does not answer.');
  }
}

/** What CometChat's client API does for `GET /me`: the user that the token belongs to. */
async function me({ apiUrl, controlUrl }: LocalCometChat, headers: Headers): Promise<Response> {
  const control = async (path: string) => (await fetch(`${controlUrl}${path}`)).json() as Promise<any>;
  const [{ key }] = (await control('/keys')).keys;
  // The database works with one app, which is there once somebody was created in it.
  const appId = Object.keys((await control('/state')).apps)[0] ?? 'none';
  const ask = (path: string) =>
    fetch(`${apiUrl}${path}`, { headers: { apiKey: key, appId }, signal: AbortSignal.timeout(5000) });
  const user = `/users/${encodeURIComponent(headers.get('uid') ?? '')}`;
  const known = await ask(`${user}/auth_tokens/${encodeURIComponent(headers.get('authtoken') ?? '')}`);
  if (!known.ok) return failure(401, 'AUTH_ERR_AUTH_TOKEN_NOT_FOUND', 'The auth token does not exist.');
  const found = await ask(user);
  return Response.json(await found.json(), { status: found.status });
}

/** The switch that takes CometChat down, and up again. */
async function listener({ controlUrl }: LocalCometChat, request: Request): Promise<Response> {
  const put = request.method === 'PUT' ? { method: 'PUT', body: await request.text() } : {};
  const state = await fetch(`${controlUrl}/listener`, put);
  return Response.json(await state.json(), { status: state.status });
}

const failure = (status: number, code: string, message: string) => Response.json({ error: { code, message } }, { status });
