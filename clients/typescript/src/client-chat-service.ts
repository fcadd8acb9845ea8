// For apps whose code says `ClientChatService.ensureUser(userId, displayName, email)`: the same
// call, answered by the database instead of a server route.

import type { CometChatErrorCode } from './answers.js';
import { createCometChatAuth, type CometChatAuth, type CometChatAuthOptions, type RpcClient } from './client.js';

/** What those apps expect, and `errorCode` and `queued` besides. */
export interface ClientChatResult {
  success: boolean;
  authToken?: string | undefined;
  cometchatUid?: string | undefined;
  error?: string | undefined;
  errorCode?: CometChatErrorCode | undefined;
  queued?: true | undefined;
}

/** Whom the static method asks; null until `use` was called. */
let shared: CometChatAuth | null = null;

/**
 * In a browser: `ClientChatService.use(supabase)` once, where the supabase-js client is made, and
 * the static method from then on.
 *
 * SECURITY: on a server, where one process serves many people, make a client for each request and
 * `new ClientChatService(supabase)` of it: what `use` was given is shared by everybody.
 */
export class ClientChatService {
  private readonly auth: CometChatAuth;

  constructor(supabase: RpcClient, options?: CometChatAuthOptions) {
    this.auth = createCometChatAuth(supabase, options);
  }

  static use(supabase: RpcClient, options?: CometChatAuthOptions): void {
    shared = createCometChatAuth(supabase, options);
  }

  static ensureUser(userId: string, displayName?: string | null, email?: string | null): Promise<ClientChatResult> {
    if (shared) return shared.ensureUser(userId, displayName, email);
    return Promise.resolve({
      success: false,
      error: 'CometChat is not properly configured: call ClientChatService.use(supabase) first',
      errorCode: 'NOT_CONFIGURED',
    });
  }

  ensureUser(userId: string, displayName?: string | null, email?: string | null): Promise<ClientChatResult> {
    return this.auth.ensureUser(userId, displayName, email);
  }
}
