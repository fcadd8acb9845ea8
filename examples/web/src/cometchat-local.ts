// Logs in at the local CometChat, which has no client API: the development server asks for us.
import type { Chat } from 'cometchat-ext/session';

export const localCometChat: Chat = {
  async logIn(authToken, uid) {
    const response = await fetch('/local-cometchat/me', { headers: { authToken, uid } });
    const body = await response.json();
    if (!response.ok) throw Object.assign(new Error(body.error.message), { code: body.error.code });
    return { uid: body.data.uid, name: body.data.name };
  },
  // Nothing to end: a log-in here is one request and leaves nothing behind.
  async logOut() {},
};

/** The switch of the playground: whether CometChat answers at all. */
export async function isReachable(): Promise<boolean> {
  const state = await (await fetch('/local-cometchat/listener')).json();
  return state.state === 'open';
}

export async function setReachable(reachable: boolean): Promise<void> {
  await fetch('/local-cometchat/listener', {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ state: reachable ? 'open' : 'closed' }),
  });
}
