// Only with the local CometChat, which has no client API: asks it, as a server does, whose token this is.
const { LOCAL_COMETCHAT_API_URL: apiUrl, LOCAL_COMETCHAT_CONTROL_URL: controlUrl } = process.env;

export async function GET(request: Request) {
  if (!apiUrl || !controlUrl) return new Response(null, { status: 404 });
  try {
    const control = async (path: string) => (await fetch(`${controlUrl}${path}`)).json();
    const [{ key }] = (await control('/keys')).keys;
    const appId = Object.keys((await control('/state')).apps)[0] ?? 'none';
    const ask = (path: string) =>
      fetch(`${apiUrl}${path}`, { headers: { apiKey: key, appId }, signal: AbortSignal.timeout(5000) });
    const user = `/users/${encodeURIComponent(request.headers.get('uid') ?? '')}`;
    const known = await ask(`${user}/auth_tokens/${encodeURIComponent(request.headers.get('authtoken') ?? '')}`);
    if (known.ok) return Response.json(await (await ask(user)).json());
    return Response.json(
      { error: { code: 'AUTH_ERR_AUTH_TOKEN_NOT_FOUND', message: 'The auth token does not exist.' } },
      { status: 401 },
    );
  } catch {
    return Response.json({ error: { code: 'NETWORK', message: 'The local CometChat does not answer.' } }, { status: 502 });
  }
}
