// What logs in to chat: CometChat's UI Kit for an app of yours, or the local CometChat of the tests.
import { uiKitChat } from 'cometchat-ext/session';
import { localCometChat } from '../../shared/local-chat';

const appId = process.env.NEXT_PUBLIC_COMETCHAT_APP_ID;
const region = process.env.NEXT_PUBLIC_COMETCHAT_REGION;

/** The kit wants a `window`: it is imported in the browser, when somebody logs in. */
const cometChat = uiKitChat(async () => {
  const { CometChatUIKit, UIKitSettingsBuilder } = await import('@cometchat/chat-uikit-react');
  const settings = new UIKitSettingsBuilder().setAppId(appId!).setRegion(region!).subscribePresenceForAllUsers().build();
  await CometChatUIKit.init(settings);
  return CometChatUIKit;
});

export const chat = appId && region ? cometChat : localCometChat;
