// From a Supabase session to a logged-in chat user, and back. Knows no framework.

import type { CometChatErrorCode, EnsureUserResponse, RefreshTokenResponse } from './answers.js';
import { createCometChatAuth, type CometChatAuth, type RpcClient } from './client.js';
import { isTransient } from './codes.js';

/** A supabase-js client, named by what is used of it: see RpcClient. */
export interface SessionClient extends RpcClient {
  auth: NonNullable<RpcClient['auth']> & {
    onAuthStateChange(callback: (event: string, session: { user: { id: string } } | null) => void): {
      data: { subscription: { unsubscribe(): void } };
    };
    signOut(options: { scope: 'global' | 'local' }): PromiseLike<{ error: { code?: string | undefined } | null }>;
  };
}

export interface ChatUser {
  uid: string;
  name: string;
}

/** Whatever logs in with the token: `uiKitChat` for CometChat's UI Kits, or your own. */
export interface Chat {
  /** In the place of anybody else, whom a chat SDK may remember from the last visit. */
  logIn(authToken: string, uid: string): Promise<ChatUser>;
  logOut(): Promise<void>;
}

export type ChatState =
  | { status: 'signed-out' | 'connecting' }
  | { status: 'connected'; user: ChatUser; authToken: string; profileQueued: boolean }
  | { status: 'waiting' | 'failed'; errorCode: CometChatErrorCode; queued: boolean };

/** All that an app needs once somebody is signed in to Supabase. */
export async function connectToChat(auth: CometChatAuth, chat: Chat, signal?: AbortSignal): Promise<ChatState> {
  const answer = await auth.ensureUser({}, { signal });
  try {
    return await logIn(chat, answer);
  } catch (error) {
    if (codeOf(error) !== 'AUTH_ERR_AUTH_TOKEN_NOT_FOUND') throw error;
    // CometChat no longer takes the stored token: somebody revoked it, or deleted the user there.
    const fresh = await auth.refreshToken(null, { signal });
    return logIn(chat, fresh.errorCode === 'USER_NOT_FOUND' ? await auth.ensureUser({}, { signal }) : fresh);
  }
}

async function logIn(chat: Chat, answer: EnsureUserResponse | RefreshTokenResponse): Promise<ChatState> {
  const queued = answer.queued ?? false;
  if (!answer.success) {
    // What does not pass by itself is for those who run the app.
    const passes = queued || isTransient(answer.errorCode);
    return { status: passes ? 'waiting' : 'failed', errorCode: answer.errorCode, queued };
  }
  const user = await chat.logIn(answer.authToken, answer.cometchatUid);
  return { status: 'connected', user, authToken: answer.authToken, profileQueued: queued };
}

const codeOf = (error: unknown) => (error as { code?: unknown } | null)?.code;

/**
 * Keeps chat and session together: log-ins, log-outs, edited profiles, and retries while chat is away.
 * `stop` ends that, and leaves chat as it is: `useEffect(() => followSession(…).stop, [])`.
 */
export function followSession(supabase: SessionClient, chat: Chat, show: (state: ChatState) => void) {
  const auth = createCometChatAuth(supabase, { retry: false }); // tries again here, where it is seen
  let userId: string | undefined;
  let connected = false;
  let turn = 0; // an answer that belongs to an earlier turn comes too late to count
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = new AbortController();
  let work = Promise.resolve(); // one thing at a time: a late log-in must not undo a log-out

  function connect(failures = 0, first: () => Promise<unknown> = async () => {}) {
    if (!userId || end.signal.aborted) return;
    const mine = begin();
    if (!connected && failures === 0) show({ status: 'connecting' });
    work = work.then(async () => {
      if (mine !== turn) return;
      await first();
      const state = await connectToChat(auth, chat, end.signal).catch((error): ChatState => {
        console.warn('chat log-in failed:', error);
        return { status: 'waiting', errorCode: 'CHAT_LOGIN', queued: false };
      });
      if (mine !== turn) return;
      connected = state.status === 'connected';
      show(state);
      if (state.status === 'waiting' || (state.status === 'connected' && state.profileQueued)) {
        // Ever more rarely, and not every browser at the same moment.
        const seconds = Math.min(30, 2 ** (failures + 1)) * (0.75 + Math.random() / 2);
        timer = setTimeout(connect, seconds * 1000, failures + 1);
      }
    });
  }

  function disconnect() {
    begin();
    connected = false;
    work = work.then(() => chat.logOut()).catch((error) => console.warn('chat log-out failed:', error));
  }

  function begin() {
    clearTimeout(timer);
    return ++turn;
  }

  const { data } = supabase.auth.onAuthStateChange((event, session) => {
    const before = userId;
    userId = session?.user.id;
    // SIGNED_IN comes again whenever the tab is looked at, TOKEN_REFRESHED every hour: only another user
    // is news, or a session that is good again after chat was refused with the one that had run out.
    const news = ['USER_UPDATED', 'INITIAL_SESSION'].includes(event) || (event === 'TOKEN_REFRESHED' && !connected);
    if (userId === before && !news) return;
    // Nobody gets to see the chat of who was here before, whether or not that one signed out.
    if (!userId || (before && before !== userId)) disconnect();
    if (userId) connect();
    else show({ status: 'signed-out' });
  });

  return {
    retry: () => connect(),
    newToken: () => connect(0, () => auth.refreshToken(null, { signal: end.signal })),
    stop() {
      data.subscription.unsubscribe();
      begin();
      end.abort();
    },
  };
}

/**
 * Signs out of chat and of Supabase: here, or on all devices. Answers with an error code, or nothing.
 * After an error the session is there as before, but chat's tokens may be gone: connect again.
 */
export async function signOut(supabase: SessionClient, everywhere = false): Promise<string | undefined> {
  if (everywhere) {
    const answer = await createCometChatAuth(supabase, { retry: false }).revokeTokens();
    // Queued is good enough: CometChat hears of it before anybody logs in again.
    if (!answer.success && !answer.queued && answer.errorCode !== 'USER_NOT_FOUND') return answer.errorCode;
  }
  const { error } = await supabase.auth.signOut({ scope: everywhere ? 'global' : 'local' });
  // `local` forgets the session whatever the server says; `global` needs the server, and keeps it on an error.
  return everywhere && error ? (error.code ?? 'NETWORK') : undefined;
}

export { uiKitChat } from './ui-kit.js';
export type { NativeUIKit, WebUIKit } from './ui-kit.js';
