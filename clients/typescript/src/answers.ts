// The answers: what each of the three functions gives back.
//
// Fields that an answer does not have are typed as absent, not left out: so an answer can be taken
// apart first (`const { success, authToken } = …`) and TypeScript still narrows one by the other.

import type { DatabaseErrorCode } from './codes.js';

/** The one code of this package's own: the caller's signal was aborted. */
export type ClientErrorCode = 'ABORTED';

/**
 * Every code that is known today, and any string: a newer extension may have more, and a `switch`
 * over this needs its `default`. Editors still complete the known ones.
 */
export type CometChatErrorCode = DatabaseErrorCode | ClientErrorCode | (string & {});

/** An expected failure. `error` is a phrase for logs: the code decides, not the phrase. */
export interface CometChatFailure {
  success: false;
  error: string;
  errorCode: CometChatErrorCode;
  /** The work will be done later all the same. */
  queued?: true;
  authToken?: undefined;
  cometchatUid?: undefined;
}

/** The user exists in CometChat, and this token logs them in. */
export interface EnsureUserSuccess {
  success: true;
  authToken: string;
  cometchatUid: string;
  /** The token is good; a change of the profile is yet to be sent, and will be. */
  queued?: true;
  error?: undefined;
  errorCode?: undefined;
}

/** A new token. Older ones stay valid. */
export interface RefreshTokenSuccess {
  success: true;
  authToken: string;
  cometchatUid: string;
  queued?: undefined;
  error?: undefined;
  errorCode?: undefined;
}

/** A refresh is never queued: a token made later is of no use to who waits for one now. */
export interface RefreshTokenFailure extends Omit<CometChatFailure, 'queued'> {
  queued?: undefined;
}

/** All tokens are gone, here and in CometChat. */
export interface RevokeTokensSuccess {
  success: true;
  cometchatUid: string;
  authToken?: undefined;
  queued?: undefined;
  error?: undefined;
  errorCode?: undefined;
}

export type EnsureUserResponse = EnsureUserSuccess | CometChatFailure;
export type RefreshTokenResponse = RefreshTokenSuccess | RefreshTokenFailure;
/** A failure that says `queued` has forgotten the stored token; the rest is done before any login. */
export type RevokeTokensResponse = RevokeTokensSuccess | CometChatFailure;

/** What any of the three functions may answer. */
export type CometChatResponse = EnsureUserResponse | RefreshTokenResponse | RevokeTokensResponse;
