// The local CometChat, seen from behind: what it knows, and how it is switched off and on.
import type { Backend } from '../apps.ts';

export function controlOf({ controlUrl }: Pick<Backend, 'controlUrl'>) {
  async function control(method: string, path: string, body?: unknown): Promise<any> {
    const response = await fetch(`${controlUrl}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }
  /** The app that the database works with: the only one there is. */
  const ofTheApp = async (path: string) => `${path}?app=${Object.keys((await control('GET', '/state')).apps)[0]}`;
  return {
    goDown: () => control('PUT', '/listener', { state: 'closed' }),
    comeUp: () => control('PUT', '/listener', { state: 'open' }),
    /** What it has of a user. */
    user: async (uid: string): Promise<{ user: { name: string }; tokens: string[] }> => control('GET', await ofTheApp(`/users/${uid}`)),
    /** As somebody with CometChat's dashboard may do it. */
    deactivate: async (uid: string) => control('POST', await ofTheApp(`/users/${uid}/deactivate`)),
  };
}
