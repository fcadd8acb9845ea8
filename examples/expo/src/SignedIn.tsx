// The chat card, the profile, and the way out.
import type { User } from '@supabase/supabase-js';
import { useCometChat } from 'cometchat-ext/react';
import { useState } from 'react';
import { Pressable, Switch, Text, View } from 'react-native';
import { words } from '../../shared/page/words';
import { unregisterForPush } from './chat';
import { Form, type Fields } from './Form';
import { styles } from './styles';
import { supabase } from './supabase';

export function SignedIn({ user }: { user: User }) {
  const { signOut } = useCometChat();
  const [everywhere, setEverywhere] = useState(false);
  const name = String(user.user_metadata.display_name ?? '');

  async function save({ name }: Fields) {
    const { error } = await supabase.auth.updateUser({ data: { display_name: name } });
    return error?.message;
  }
  async function leave() {
    await unregisterForPush().catch((error) => console.warn('the push token was not unregistered:', error));
    const errorCode = await signOut(everywhere);
    return errorCode && `Not signed out: ${errorCode}`;
  }
  return (
    <>
      <Text role="heading" style={styles.title}>Hello, {name}</Text>
      <ChatCard />
      <Form label="Profile" button="Save" send={save} fields={[{ name: 'name', label: 'Display name', value: name, maxLength: 100 }]} />
      <Form label="Sign out" button="Sign out" quiet send={leave}>
        <View style={styles.row}>
          <Switch aria-label="Sign out everywhere" value={everywhere} onValueChange={setEverywhere} />
          <Text style={styles.text}>Sign out everywhere</Text>
        </View>
      </Form>
    </>
  );
}

function ChatCard() {
  const { state, retry } = useCometChat();
  return (
    <View role="region" aria-label="Chat" style={styles.card}>
      <Text style={styles.heading}>Chat</Text>
      <Text role="status" style={[styles.status, state.status === 'connected' && styles.good]}>{words(state)}</Text>
      {state.status === 'connected' && (
        <>
          <Text style={styles.label}>Name at CometChat</Text>
          <Text testID="fact-name" style={styles.text}>{state.user.name}</Text>
          <Text style={styles.label}>uid</Text>
          <Text testID="fact-uid" style={styles.text}>{state.user.uid}</Text>
        </>
      )}
      {(state.status === 'waiting' || state.status === 'failed') && (
        <Pressable role="button" onPress={retry} style={[styles.button, styles.quiet]}>
          <Text style={[styles.buttonText, styles.quietText]}>Try now</Text>
        </Pressable>
      )}
    </View>
  );
}
