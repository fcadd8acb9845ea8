// The client: the three functions, called through supabase-js, each always with an answer.

import type {
  CometChatFailure,
  CometChatResponse,
  EnsureUserResponse,
  RefreshTokenResponse,
  RevokeTokensResponse,
} from './answers.js';
import { isSoon } from './codes.js';
import { failure, outcomeOf, type RpcResponse } from './outcome.js';
import { persist, type Attempt } from './retry.js';

/**
 * A supabase-js client, or `supabase.schema('public')` of one whose default is another schema.
 *
 * Named by what is used of it: so any 2.x will do, whatever its Database type, and so will a second
 * copy of supabase-js in the same app.
 */
export interface RpcClient {
  // any: supabase-js types names and arguments by the app's own Database.
  rpc(name: any, args?: any): { abortSignal(signal: AbortSignal): PromiseLike<RpcResponse> };
  auth?: { getSession(): PromiseLike<{ data: { session: { access_token: string } | null } }> };
}

export interface CometChatAuthOptions {
  /** For how long one call may go on in all, waits and repeats included. Default: 15 000. */
  deadlineMs?: number;
  /** The wait before the first repeat; later ones grow to four times this. Default: 1000. */
  retryDelayMs?: number;
  /** `false`: each call is one request. Default: true. */
  retry?: boolean;
}

export interface CallOptions extends CometChatAuthOptions {
  /** Ends the call, whatever it is at, with `errorCode: 'ABORTED'`. */
  signal?: AbortSignal | undefined;
}

/** All may be left out; `userId` is then the session's user. */
export interface CometChatUser {
  userId?: string | null | undefined;
  displayName?: string | null | undefined;
  email?: string | null | undefined;
}

/** None of these ever rejects: every failure is an answer. */
export interface CometChatAuth {
  /** For registration and for every login: the user exists in CometChat, and here is a token. */
  ensureUser(user?: CometChatUser | null, options?: CallOptions): Promise<EnsureUserResponse>;
  ensureUser(
    userId: string | null | undefined,
    displayName?: string | null,
    email?: string | null,
    options?: CallOptions,
  ): Promise<EnsureUserResponse>;
  /** Mints a new token, for when CometChat refuses the present one. */
  refreshToken(userId?: string | null, options?: CallOptions): Promise<RefreshTokenResponse>;
  /** Logs the user out of CometChat everywhere. */
  revokeTokens(userId?: string | null, options?: CallOptions): Promise<RevokeTokensResponse>;
}

/**
 * Wraps a supabase-js client. Not called a chat client: CometChat's own SDK is that, and wants the
 * token which this one brings.
 *
 * @throws TypeError if `supabase` is no such client: the one mistake worth an exception.
 */
export function createCometChatAuth(supabase: RpcClient, defaults: CometChatAuthOptions = {}): CometChatAuth {
  if (typeof supabase?.rpc !== 'function') {
    throw new TypeError('createCometChatAuth needs a supabase-js client: createCometChatAuth(createClient(url, key))');
  }

  async function call<Answer extends CometChatResponse>(
    name: string,
    args: Record<string, string | null | undefined>,
    options: CallOptions = {},
  ): Promise<Answer> {
    let caller: Promise<string | undefined> | undefined;
    const attempt = async (signal: AbortSignal) => {
      // SECURITY: supabase-js takes the token of whoever is signed in by then, and a repeat is for
      // whoever was at first. The extension refuses one with another's id.
      const user_id = args.user_id ?? (await (caller ??= sessionUser(supabase)));
      const given = Object.entries({ ...args, user_id }).filter(([, value]) => value != null);
      return ask(name, Object.fromEntries(given), signal);
    };
    const answer = await persist<{ queued?: true }>(attempt, {
      deadlineMs: options.deadlineMs ?? defaults.deadlineMs ?? 15_000,
      retryDelayMs: options.retryDelayMs ?? defaults.retryDelayMs ?? 1000,
      retry: options.retry ?? defaults.retry ?? true,
      signal: options.signal,
    });
    if (answer === 'aborted') return failure('ABORTED', 'Aborted').answer as Answer;
    if (answer === 'deadline') return failure('TIMEOUT', 'Supabase did not answer in time').answer as Answer;
    return answer as Answer; // outcomeOf has seen to it
  }

  async function ask(name: string, body: object, signal: AbortSignal): Promise<Attempt<{ queued?: true }>> {
    let response: RpcResponse;
    try {
      response = await supabase.rpc(name, body).abortSignal(signal);
    } catch (thrown) {
      response = { data: null, error: { message: String(thrown) }, status: 0 };
    }
    const { answer, transient } = outcomeOf(response, name !== 'cometchat_revoke_tokens');
    const again = transient || (name === 'cometchat_ensure_user' && !answer.success && willBeBetterSoon(answer));
    return { answer, again };
  }

  return {
    ensureUser(
      first?: CometChatUser | string | null,
      second?: CallOptions | string | null,
      email?: string | null,
      last?: CallOptions,
    ) {
      const options = typeof second === 'object' && second !== null ? second : last;
      const { userId, displayName, email: address } =
        typeof first === 'object' && first !== null
          ? first
          : { userId: first, displayName: typeof second === 'string' ? second : undefined, email };
      return call('cometchat_ensure_user', { user_id: userId, display_name: displayName, email: address }, options);
    },
    refreshToken: (userId, options) => call('cometchat_refresh_token', { user_id: userId }, options),
    revokeTokens: (userId, options) => call('cometchat_revoke_tokens', { user_id: userId }, options),
  };
}

/**
 * `sub` of the session's token; undefined where there is no session, or no way to tell. Not
 * `session.user`: on a server supabase-js warns of that, as it cannot know that we trust nobody by it.
 */
async function sessionUser({ auth }: RpcClient): Promise<string | undefined> {
  try {
    const { data } = await auth!.getSession();
    const claims = data.session!.access_token.split('.')[1]!;
    return JSON.parse(atob(claims.replace(/-/g, '+').replace(/_/g, '/'))).sub;
  } catch {
    return undefined; // the session decides, as it does for a client without `auth`
  }
}

/**
 * The worker is at a queued user, so its token may be stored when asked for next. And whoever was
 * one of too many at once (several tabs) finds what the others got. A gateway's 429 is treated alike.
 */
function willBeBetterSoon(answer: CometChatFailure): boolean {
  return answer.queued === true || isSoon(answer.errorCode);
}
