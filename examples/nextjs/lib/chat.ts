// What logs in to chat: CometChat's UI Kit for an app of yours, or the local CometChat of `make example`.
import { uiKitChat, type Chat } from 'cometchat-ext/session';

const appId = process.env.NEXT_PUBLIC_COMETCHAT_APP_ID;
const region = process.env.NEXT_PUBLIC_COMETCHAT_REGION;

/** The kit wants a `window`: it is imported in the browser, when somebody logs in. */
const cometChat = uiKitChat(async () => {
  const { CometChatUIKit, UIKitSettingsBuilder } = await import('@cometchat/chat-uikit-react');
  const settings = new UIKitSettingsBuilder().setAppId(appId!).setRegion(region!).subscribePresenceForAllUsers().build();
  await CometChatUIKit.init(settings);
  return CometChatUIKit;
});

const localCometChat: Chat = {
  async logIn(authToken, uid) {
    const response = await fetch('/local-cometchat/me', { headers: { authToken, uid } });
    const body = await response.json();
    if (!response.ok) throw Object.assign(new Error(body.error.message), { code: body.error.code });
    return { uid: body.data.uid, name: body.data.name };
  },
  async logOut() {},
};

export const chat = appId && region ? cometChat : localCometChat;
