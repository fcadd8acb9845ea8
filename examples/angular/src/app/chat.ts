// Chat that follows the session: CometChat's UI Kit for an app of yours, or the local CometChat of the tests.
import { DestroyRef, Injectable, inject, signal } from '@angular/core';
import { followSession, signOut, uiKitChat, type ChatState } from 'cometchat-ext/session';
import { localCometChat } from '../../../shared/local-chat';
import { Account } from './account';
import { SETTINGS } from './settings';

@Injectable({ providedIn: 'root' })
export class Chat {
  private readonly supabase = inject(Account).supabase;
  private readonly settings = inject(SETTINGS);
  readonly state = signal<ChatState>({ status: 'connecting' });

  /** The kit is large: it is loaded when somebody logs in. */
  private readonly cometChat = uiKitChat(async () => {
    const { CometChatUIKit, UIKitSettingsBuilder } = await import('@cometchat/chat-uikit-angular');
    const { cometchatAppId: appId, cometchatRegion: region } = this.settings;
    const settings = new UIKitSettingsBuilder().setAppId(appId).setRegion(region).subscribePresenceForAllUsers().build();
    await CometChatUIKit.init(settings);
    return CometChatUIKit;
  });
  private readonly following = followSession(
    this.supabase,
    this.settings.cometchatAppId ? this.cometChat : localCometChat,
    (state) => this.state.set(state),
  );

  constructor() {
    inject(DestroyRef).onDestroy(this.following.stop);
  }

  retry() {
    this.following.retry();
  }

  /** Of chat and of Supabase; an error code, or nothing. */
  async signOut(everywhere: boolean) {
    const errorCode = await signOut(this.supabase, everywhere);
    if (errorCode) this.retry(); // chat's tokens may be gone by then
    return errorCode;
  }
}
