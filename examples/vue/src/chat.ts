// Chat that follows the session: CometChat's UI Kit for an app of yours, or the local CometChat of the tests.
import { followSession, uiKitChat, type ChatState } from 'cometchat-ext/session';
import { onScopeDispose, shallowRef } from 'vue';
import { localCometChat } from '../../shared/local-chat';
import { supabase } from './supabase';

const { VITE_COMETCHAT_APP_ID: appId, VITE_COMETCHAT_REGION: region } = import.meta.env;

/** The kit is large: it is loaded when somebody logs in. */
const cometChat = uiKitChat(async () => {
  const [{ CometChatUIKit }, { UIKitSettingsBuilder }] = await Promise.all([
    import('@cometchat/chat-uikit-vue'),
    import('@cometchat/uikit-shared'),
  ]);
  const settings = new UIKitSettingsBuilder().setAppId(appId).setRegion(region).subscribePresenceForAllUsers().build();
  await CometChatUIKit.init(settings);
  return CometChatUIKit;
});

/** Call it once, in the component that lives as long as the app. */
export function useCometChat() {
  const state = shallowRef<ChatState>({ status: 'connecting' });
  const following = followSession(supabase, appId && region ? cometChat : localCometChat, (now) => (state.value = now));
  onScopeDispose(following.stop);
  return { state, retry: following.retry };
}
