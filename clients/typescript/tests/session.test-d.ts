// supabase-js's clients, old and new, typed or not, fit where a session is followed.
import type { SupabaseClient } from '@supabase/supabase-js';
import type { SupabaseClient as Oldest } from 'supabase-js-oldest';
import { expectTypeOf, test } from 'vitest';
import type { CometChatDatabase } from '../src/index.js';
import type { SessionClient } from '../src/session.js';

test('a SupabaseClient is a SessionClient', () => {
  expectTypeOf<SupabaseClient>().toExtend<SessionClient>();
  expectTypeOf<SupabaseClient<CometChatDatabase>>().toExtend<SessionClient>();
  expectTypeOf<Oldest>().toExtend<SessionClient>();
  expectTypeOf<Pick<SupabaseClient, 'rpc'>>().not.toExtend<SessionClient>();
});
