// Who is signed in decides what is seen; chat follows the session for as long as the app lives.
import type { Session } from '@supabase/supabase-js';
import { CometChatProvider, useCometChat } from 'cometchat-ext/react';
import { useEffect, useState } from 'react';
import { AppState, ScrollView } from 'react-native';
import { SafeAreaProvider, SafeAreaView } from 'react-native-safe-area-context';
import { chat } from './chat';
import { SignedIn } from './SignedIn';
import { SignedOut } from './SignedOut';
import { styles } from './styles';
import { refreshWhileActive, supabase } from './supabase';

export function App() {
  // undefined: not known yet; null: nobody is signed in.
  const [session, setSession] = useState<Session | null>();
  useEffect(() => supabase.auth.onAuthStateChange((_, now) => setSession(now)).data.subscription.unsubscribe, []);
  useEffect(refreshWhileActive, []);
  return (
    <CometChatProvider supabase={supabase} chat={chat}>
      <RetryInForeground />
      <SafeAreaProvider>
        <SafeAreaView style={styles.page}>
          <ScrollView contentContainerStyle={styles.content} keyboardShouldPersistTaps="handled">
            {session && <SignedIn user={session.user} />}
            {session === null && <SignedOut />}
          </ScrollView>
        </SafeAreaView>
      </SafeAreaProvider>
    </CometChatProvider>
  );
}

/** Whoever comes back to the app does not wait for the next try. */
export function RetryInForeground() {
  const { state, retry } = useCometChat();
  useEffect(() => {
    if (state.status !== 'waiting') return;
    const subscription = AppState.addEventListener('change', (now) => now === 'active' && retry());
    return () => subscription.remove();
  }, [state.status, retry]);
  return null;
}
