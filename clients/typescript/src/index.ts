// What the package exports: the client, the answers' types and codes, and the database types.

export { createCometChatAuth } from './client.js';
export type { CallOptions, CometChatAuth, CometChatAuthOptions, CometChatUser, RpcClient } from './client.js';
export type {
  ClientErrorCode,
  CometChatErrorCode,
  CometChatFailure,
  CometChatResponse,
  EnsureUserResponse,
  EnsureUserSuccess,
  RefreshTokenFailure,
  RefreshTokenResponse,
  RefreshTokenSuccess,
  RevokeTokensResponse,
  RevokeTokensSuccess,
} from './answers.js';
export { isTransient } from './codes.js';
export type { DatabaseErrorCode } from './codes.js';
export type { CometChatDatabase, Json } from './database.js';
