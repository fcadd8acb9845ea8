// Logs in with CometChat's own JavaScript SDK, which is large and so is loaded after the page.
import type { Chat } from 'cometchat-ext/session';

export function cometChat(appId: string, region: string): Chat {
  const loaded = once(async () => {
    const { CometChat } = await import('@cometchat/chat-sdk-javascript');
    const settings = new CometChat.AppSettingsBuilder()
      .setRegion(region)
      .subscribePresenceForAllUsers()
      .autoEstablishSocketConnection(true)
      .build();
    await CometChat.init(appId, settings);
    return CometChat;
  });
  return {
    async logIn(authToken, uid) {
      const CometChat = await loaded();
      await CometChat.login(authToken);
      // Asked for anew: the SDK keeps the profile, and even the log-in, of the last time.
      const user = await CometChat.getUser(uid);
      return { uid: user.getUid(), name: user.getName() };
    },
    async logOut() {
      const CometChat = await loaded();
      if (await CometChat.getLoggedinUser()) await CometChat.logout();
    },
  };
}

/** Starts the work with the first call, and again after it failed. */
function once<T>(start: () => Promise<T>): () => Promise<T> {
  let started: Promise<T> | undefined;
  return () => (started ??= start().catch((error) => { started = undefined; throw error; }));
}
