// CometChatDatabase in the hands of supabase-js, alone and beside an app's own types.
import type { SupabaseClient } from '@supabase/supabase-js';
import type { SupabaseClient as OldestClient } from 'supabase-js-oldest';
import { describe, expectTypeOf, test } from 'vitest';
import { createCometChatAuth, type CometChatDatabase, type Json } from '../src/index.js';

/** As `supabase gen types typescript` writes it, for an app with a table, a view, a function and an enum. */
type AppDatabase = {
  __InternalSupabase: { PostgrestVersion: '13.0.5' };
  public: {
    Tables: {
      posts: {
        Row: { id: number; title: string };
        Insert: { id?: number; title: string };
        Update: { id?: number; title?: string };
        Relationships: [];
      };
    };
    Views: { titles: { Row: { title: string | null }; Relationships: [] } };
    Functions: { add: { Args: { a: number; b: number }; Returns: number } };
    Enums: { mood: 'happy' | 'sad' };
    CompositeTypes: { [_ in never]: never };
  };
};
/** The same of an app that has nothing but a table. */
type BareDatabase = {
  public: Omit<AppDatabase['public'], 'Views' | 'Functions' | 'Enums'> & {
    Views: { [_ in never]: never };
    Functions: { [_ in never]: never };
    Enums: { [_ in never]: never };
  };
};

/** And of an app that generated its types once the extension was there: one object, not an intersection. */
type GeneratedLater = {
  public: {
    Tables: AppDatabase['public']['Tables'] & CometChatDatabase['public']['Tables'];
    Views: AppDatabase['public']['Views'];
    Functions: AppDatabase['public']['Functions'] & CometChatDatabase['public']['Functions'];
    Enums: AppDatabase['public']['Enums'];
    CompositeTypes: { [_ in never]: never };
  };
};

declare const alone: SupabaseClient<CometChatDatabase>;
declare const both: SupabaseClient<AppDatabase & CometChatDatabase>;
declare const twice: SupabaseClient<GeneratedLater & CometChatDatabase>;

describe('alone', () => {
  test('rpc knows names, arguments and results', async () => {
    const { data, error } = await alone.rpc('cometchat_ensure_user', { user_id: 'id', display_name: 'Ada', email: 'a@b' });
    if (!error) expectTypeOf(data).toEqualTypeOf<Json>();
    void alone.rpc('cometchat_ensure_user');
    void alone.rpc('cometchat_ensure_user', {});
    void alone.rpc('cometchat_refresh_token', { user_id: 'id' });
    void alone.rpc('cometchat_revoke_tokens');
  });

  test('and refuses what the functions do not have', () => {
    // @ts-expect-error no such function
    void alone.rpc('cometchat_ensure_users');
    // @ts-expect-error no such argument
    void alone.rpc('cometchat_ensure_user', { userId: 'id' });
    // @ts-expect-error a number is no uuid
    void alone.rpc('cometchat_refresh_token', { user_id: 1 });
  });

  test('rows of cometchat_users have their types', async () => {
    const { data } = await alone.from('cometchat_users').select('cometchat_uid, cometchat_auth_token').single();
    expectTypeOf(data).toEqualTypeOf<{ cometchat_uid: string; cometchat_auth_token: string | null } | null>();
    const { data: rows } = await alone.from('cometchat_users').select();
    expectTypeOf(rows).toEqualTypeOf<CometChatDatabase['public']['Tables']['cometchat_users']['Row'][] | null>();
  });

  test('the identity column cannot be written, the two that are NOT NULL must be', () => {
    void alone.from('cometchat_users').insert({ user_id: 'id', cometchat_uid: 'uid' });
    // @ts-expect-error id is GENERATED ALWAYS
    void alone.from('cometchat_users').insert({ id: 1, user_id: 'id', cometchat_uid: 'uid' });
    // @ts-expect-error cometchat_uid is missing
    void alone.from('cometchat_users').insert({ user_id: 'id' });
    // @ts-expect-error id is GENERATED ALWAYS
    void alone.from('cometchat_users').update({ id: 1 });
  });
});

describe("beside the app's own", () => {
  test('both functions and both tables are there', async () => {
    const sum = await both.rpc('add', { a: 1, b: 2 });
    expectTypeOf(sum.data).toEqualTypeOf<number | null>();
    const user = await both.rpc('cometchat_ensure_user', { display_name: 'Ada' });
    expectTypeOf(user.data).toEqualTypeOf<Json | null>();
    const posts = await both.from('posts').select('title');
    expectTypeOf(posts.data).toEqualTypeOf<{ title: string }[] | null>();
    const titles = await both.from('titles').select('title');
    expectTypeOf(titles.data).toEqualTypeOf<{ title: string | null }[] | null>();
    const users = await both.from('cometchat_users').select('id');
    expectTypeOf(users.data).toEqualTypeOf<{ id: number }[] | null>();
  });

  test("and it does no harm when the app's own types have ours already", async () => {
    const user = await twice.rpc('cometchat_ensure_user', { display_name: 'Ada' });
    expectTypeOf(user.data).toEqualTypeOf<Json | null>();
    void twice.from('cometchat_users').insert({ user_id: 'id', cometchat_uid: 'uid' });
  });

  test('what neither has is an error', () => {
    // @ts-expect-error no such table
    void both.from('comments');
    // @ts-expect-error no such argument
    void both.rpc('add', { a: 1, c: 2 });
  });
});

describe('createCometChatAuth takes a client', () => {
  test('of any Database type, with ours in it or without', () => {
    createCometChatAuth({} as SupabaseClient);
    createCometChatAuth(alone);
    createCometChatAuth(both);
    createCometChatAuth({} as SupabaseClient<AppDatabase>);
    createCometChatAuth({} as SupabaseClient<BareDatabase>);
    createCometChatAuth({} as SupabaseClient<BareDatabase & CometChatDatabase>);
  });

  test('of another schema', () => {
    createCometChatAuth(both.schema('public'));
    createCometChatAuth({} as SupabaseClient<{ api: AppDatabase['public'] }, 'api'>);
  });

  test('of the oldest supabase-js 2', () => {
    createCometChatAuth({} as OldestClient);
    createCometChatAuth({} as OldestClient<CometChatDatabase>);
  });

  test('and nothing else', () => {
    // @ts-expect-error no rpc
    createCometChatAuth({});
    // @ts-expect-error rpc without abortSignal
    createCometChatAuth({ rpc: () => Promise.resolve({ data: null, error: null, status: 200 }) });
  });
});
