// Asks our route for the CometChat user of who is signed in.
import { supabase } from './supabase';

export interface ChatUserResult {
  success: boolean;
  authToken?: string;
  cometchatUid?: string;
  error?: string;
}

export class ClientChatService {
  static async ensureUser(userId: string, displayName?: string | null, email?: string | null): Promise<ChatUserResult> {
    const { data } = await supabase.auth.getSession();
    const response = await fetch('/api/cometchat/user', {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${data.session?.access_token}` },
      body: JSON.stringify({ userId, displayName, email }),
    });
    return response.json();
  }
}
