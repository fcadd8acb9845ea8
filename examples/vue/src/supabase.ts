// The Supabase client, and its session as something to watch.
import { createClient, type Session } from '@supabase/supabase-js';
import { onScopeDispose, shallowRef } from 'vue';

const { VITE_SUPABASE_URL: url, VITE_SUPABASE_PUBLISHABLE_KEY: key } = import.meta.env;

export const supabase = createClient(url, key);

/** undefined: not known yet; null: nobody is signed in. */
export function useSession() {
  const session = shallowRef<Session | null>();
  const { data } = supabase.auth.onAuthStateChange((_, now) => (session.value = now));
  onScopeDispose(() => data.subscription.unsubscribe());
  return session;
}
