// Logs in to chat with CometChat's UI Kit.
import { localCometChat } from '../../../shared/local-chat';

const appId = process.env.NEXT_PUBLIC_COMETCHAT_APP_ID!;
const region = process.env.NEXT_PUBLIC_COMETCHAT_REGION!;

export async function logInToChat(uid: string, authToken: string) {
  // The tests' local CometChat has no client API.
  if (location.hostname === '127.0.0.1') return void (await localCometChat.logIn(authToken, uid));
  const { CometChatUIKit, UIKitSettingsBuilder } = await import('@cometchat/chat-uikit-react');
  const settings = new UIKitSettingsBuilder()
    .setAppId(appId)
    .setRegion(region)
    .setAuthKey(process.env.NEXT_PUBLIC_COMETCHAT_AUTH_KEY!)
    .build();
  await CometChatUIKit.init(settings);
  await CometChatUIKit.login(uid);
}
