// The local CometChat, seen from behind: what it knows, and how it is switched off and on.
import { inject } from 'vitest';

async function control(method: string, path: string, body?: unknown): Promise<any> {
  const response = await fetch(`${inject('addresses').control}${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(10_000),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** The app that the database works with: the only one there is. */
async function theApp(): Promise<string> {
  const [app] = Object.keys((await control('GET', '/state')).apps);
  return app!;
}

const ofTheApp = async (uid: string) => `/users/${uid}?app=${await theApp()}`;

export const cometChat = {
  goDown: () => control('PUT', '/listener', { state: 'closed' }),
  comeUp: () => control('PUT', '/listener', { state: 'open' }),
  /** What it has of a user. */
  user: async (uid: string): Promise<{ user: { name: string }; tokens: string[] }> => control('GET', await ofTheApp(uid)),
  /** As somebody with CometChat's dashboard may do it. */
  deleteUser: async (uid: string) => control('DELETE', await ofTheApp(uid)),
  /** As another server with the key may do it. */
  async flushTokens(uid: string) {
    const [{ key }] = (await control('GET', '/keys')).keys;
    const response = await fetch(`${inject('addresses').cometChatApi}/users/${uid}/auth_tokens`, {
      method: 'DELETE',
      headers: { apiKey: key, appId: await theApp() },
      signal: AbortSignal.timeout(10_000),
    });
    if (!response.ok) throw new Error(`the tokens were not flushed: ${response.status}`);
  },
};
