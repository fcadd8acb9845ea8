// What logs in to chat on a phone: CometChat's UI Kit for React Native, by `login({ authToken })`.
import { CometChatNotifications } from '@cometchat/chat-sdk-react-native';
import { CometChatUIKit } from '@cometchat/chat-uikit-react-native';
import { uiKitChat } from 'cometchat-ext/session';

export const chat = uiKitChat(async () => {
  await CometChatUIKit.init({
    appId: process.env.EXPO_PUBLIC_COMETCHAT_APP_ID!,
    region: process.env.EXPO_PUBLIC_COMETCHAT_REGION!,
    subscriptionType: 'ALL_USERS',
  });
  return CometChatUIKit;
});

/** Call it once there is a push token, as from expo-notifications' `getDevicePushTokenAsync`, and chat is connected. */
export async function registerForPush(deviceToken: string, os: 'ios' | 'android', providerId: string) {
  const { FCM_REACT_NATIVE_ANDROID: android, APNS_REACT_NATIVE_DEVICE: ios } = CometChatNotifications.PushPlatforms;
  await CometChatNotifications.registerPushToken(deviceToken, os === 'ios' ? ios : android, providerId);
}

/** Before `signOut`, which ends the log-in that this needs: or the phone goes on ringing for whoever has left. */
export async function unregisterForPush() {
  await CometChatNotifications.unregisterPushToken();
}
