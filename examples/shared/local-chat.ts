// Logs in at the local CometChat, which has no client API: the server that serves the page asks for us.

export const localCometChat = {
  async logIn(authToken: string, uid: string) {
    const response = await fetch('/local-cometchat/me', { headers: { authToken, uid } });
    const body = await response.json();
    if (!response.ok) throw Object.assign(new Error(body.error.message), { code: body.error.code });
    return { uid: String(body.data.uid), name: String(body.data.name) };
  },
  // Nothing to end: a log-in here is one request and leaves nothing behind.
  async logOut() {},
};
