// CometChat's UI Kits as a `Chat`: React's, React Native's, Angular's and Vue's log in differently.

import type { Chat } from './session.js';

/** CometChat's User, as far as it is used. */
interface KitUser {
  getUid(): string;
  getName(): string;
}

/** How a kit tells who is logged in: React's and Angular's in the one way, Vue's and Angular's in the other. */
interface Remembering {
  getLoggedInUser?(): unknown;
  getLoggedinUser?(): unknown;
}

/** `CometChatUIKit` of React, Angular and Vue; Vue's answers nothing before its `init`. */
export interface WebUIKit extends Remembering {
  loginWithAuthToken(authToken: string): Promise<KitUser> | undefined;
  logout(): Promise<unknown> | undefined;
}

/** `CometChatUIKit` of React Native, which has no `loginWithAuthToken`. */
export interface NativeUIKit extends Remembering {
  login(options: { authToken: string }): Promise<KitUser>;
  logout(): Promise<unknown>;
}

/**
 * `load` gives the kit when its `init` is done, and is called when somebody is to be logged in or
 * out: so a kit, which is large and wants a `window`, can be imported then, and never on a server. It is
 * called again only after it failed.
 */
export function uiKitChat(load: () => Promise<WebUIKit | NativeUIKit>): Chat {
  let loaded: Promise<WebUIKit | NativeUIKit> | undefined;
  const kit = () =>
    (loaded ??= load().catch((error) => {
      loaded = undefined;
      throw error;
    }));

  /** React Native's kit says by an error that nobody is logged in. */
  async function loggedIn(remembering: Remembering): Promise<unknown> {
    try {
      return await (remembering.getLoggedinUser ?? remembering.getLoggedInUser)?.call(remembering);
    } catch (error) {
      if ((error as { code?: unknown } | null)?.code === 'NOT_FOUND') return undefined;
      throw error;
    }
  }

  async function logIn(authToken: string): Promise<KitUser> {
    const CometChatUIKit = await kit();
    const login =
      'loginWithAuthToken' in CometChatUIKit
        ? CometChatUIKit.loginWithAuthToken(authToken)
        : CometChatUIKit.login({ authToken });
    const user = await login;
    if (!user) throw new Error('CometChatUIKit answered without a user: await its init in load');
    return user;
  }

  return {
    async logIn(authToken, uid) {
      let user = await logIn(authToken);
      // A kit that remembers somebody from the last visit may answer with that one.
      if (user.getUid().toLowerCase() !== uid.toLowerCase()) {
        await (await kit()).logout();
        user = await logIn(authToken);
      }
      if (user.getUid().toLowerCase() !== uid.toLowerCase()) throw new Error('CometChatUIKit logged in somebody else');
      return { uid: user.getUid(), name: user.getName() };
    },
    async logOut() {
      const CometChatUIKit = await kit();
      // SECURITY: a kit remembers who was here at the last visit, so it is asked, whatever we did ourselves.
      if (await loggedIn(CometChatUIKit)) await CometChatUIKit.logout();
    },
  };
}
