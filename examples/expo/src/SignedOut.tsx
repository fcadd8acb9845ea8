// Sign-up and log-in: nothing here is about chat.
import { Text } from 'react-native';
import { Form, type Fields } from './Form';
import { styles } from './styles';
import { supabase } from './supabase';

const email = { name: 'email', label: 'E-mail', inputMode: 'email', autoCapitalize: 'none', autoComplete: 'email' } as const;
const password = { name: 'password', label: 'Password', secureTextEntry: true, autoCapitalize: 'none' } as const;

async function signUp({ name, email, password }: Fields) {
  const options = { data: { display_name: name } };
  const { data, error } = await supabase.auth.signUp({ email: email!, password: password!, options });
  if (error) return error.message;
  // With e-mail confirmation there is no session yet; the database has queued the chat user already.
  return data.session ? undefined : `Open the link that we sent to ${email}.`;
}

async function logIn({ email, password }: Fields) {
  const { error } = await supabase.auth.signInWithPassword({ email: email!, password: password! });
  return error?.message;
}

export function SignedOut() {
  return (
    <>
      <Text role="heading" style={styles.title}>Sign up, and chat is ready.</Text>
      <Form label="Sign up" button="Create account" send={signUp}
        fields={[{ name: 'name', label: 'Name', maxLength: 100, autoComplete: 'name' }, email, { ...password, autoComplete: 'new-password' }]} />
      <Form label="Log in" button="Log in with e-mail" quiet send={logIn}
        fields={[email, { ...password, autoComplete: 'current-password' }]} />
    </>
  );
}
