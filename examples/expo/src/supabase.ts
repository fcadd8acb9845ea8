// The Supabase client. Expo puts EXPO_PUBLIC_… into the app when it is built.
import { createClient } from '@supabase/supabase-js';
import { AppState, Platform } from 'react-native';
import { secureStorage } from './secure-storage';

export const supabase = createClient(
  process.env.EXPO_PUBLIC_SUPABASE_URL!,
  process.env.EXPO_PUBLIC_SUPABASE_PUBLISHABLE_KEY!,
  { auth: { ...(secureStorage && { storage: secureStorage }), detectSessionInUrl: Platform.OS === 'web' } },
);

/** A phone stops timers in the background: the session is refreshed while the app is seen. */
export function refreshWhileActive() {
  if (Platform.OS === 'web') return () => {}; // supabase-js does it there
  const follow = (state: string | null | undefined) =>
    void (state === 'active' ? supabase.auth.startAutoRefresh() : supabase.auth.stopAutoRefresh());
  follow(AppState.currentState);
  const subscription = AppState.addEventListener('change', follow);
  return () => subscription.remove();
}
