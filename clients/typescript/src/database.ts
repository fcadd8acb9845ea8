// The extension's public objects as `supabase gen types typescript` describes them.
//
// Type aliases, not interfaces: supabase-js wants them assignable to Record<string, unknown>, which
// interfaces are not.

export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[];

/**
 * For an app that has not generated its own types since the extension came:
 * `createClient<Database & CometChatDatabase>(…)`, or alone.
 */
export type CometChatDatabase = {
  public: {
    Tables: {
      /** One row for each user known to exist in CometChat. Clients see their own, read-only. */
      cometchat_users: {
        Row: {
          cometchat_auth_token: string | null;
          cometchat_uid: string;
          created_at: string | null;
          id: number;
          updated_at: string | null;
          user_id: string;
        };
        Insert: {
          cometchat_auth_token?: string | null;
          cometchat_uid: string;
          created_at?: string | null;
          id?: never;
          updated_at?: string | null;
          user_id: string;
        };
        Update: {
          cometchat_auth_token?: string | null;
          cometchat_uid?: string;
          created_at?: string | null;
          id?: never;
          updated_at?: string | null;
          user_id?: string;
        };
        /** The foreign key leads to auth.users, and only those within a schema are listed. */
        Relationships: [];
      };
    };
    Views: { [_ in never]: never };
    Functions: {
      cometchat_ensure_user: {
        Args: { display_name?: string; email?: string; user_id?: string };
        Returns: Json;
      };
      cometchat_refresh_token: { Args: { user_id?: string }; Returns: Json };
      cometchat_revoke_tokens: { Args: { user_id?: string }; Returns: Json };
    };
    Enums: { [_ in never]: never };
    CompositeTypes: { [_ in never]: never };
  };
};
