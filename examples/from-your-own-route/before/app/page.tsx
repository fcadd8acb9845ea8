'use client';
// Sign-up, log-in, and chat after either.
import type { User } from '@supabase/supabase-js';
import { useEffect, useState } from 'react';
import { logInToChat } from '../lib/chat';
import { ClientChatService } from '../lib/ClientChatService';
import { supabase } from '../lib/supabase';

export default function Page() {
  const [user, setUser] = useState<User | null>();
  useEffect(() => supabase.auth.onAuthStateChange((_, session) => setUser(session?.user ?? null)).data.subscription.unsubscribe, []);
  if (user === undefined) return null;
  return user ? <Chat key={user.id} user={user} /> : <SignedOut />;
}

function Chat({ user }: { user: User }) {
  const [said, setSaid] = useState('Connecting to chat…');
  const [uid, setUid] = useState('');
  useEffect(() => {
    ClientChatService.ensureUser(user.id, user.user_metadata.display_name, user.email)
      .then(async (result) => {
        if (!result.success || !result.authToken || !result.cometchatUid) return setSaid(`Chat is not available: ${result.error}`);
        await logInToChat(result.cometchatUid, result.authToken);
        setUid(result.cometchatUid);
        setSaid('You can chat');
      })
      .catch((error) => setSaid(`Chat is not available: ${error.message}`));
  }, [user]);
  return (
    <main>
      <h1>Hello, {user.user_metadata.display_name}</h1>
      <section aria-label="Chat">
        <p role="status">{said}</p>
        <p data-fact="uid">{uid}</p>
      </section>
      <button onClick={() => supabase.auth.signOut()}>Sign out</button>
    </main>
  );
}

function SignedOut() {
  const [problem, setProblem] = useState('');
  async function signUp(data: FormData) {
    const options = { data: { display_name: String(data.get('name')) } };
    const { error } = await supabase.auth.signUp({ email: String(data.get('email')), password: String(data.get('password')), options });
    setProblem(error?.message ?? '');
  }
  async function logIn(data: FormData) {
    const { error } = await supabase.auth.signInWithPassword({ email: String(data.get('email')), password: String(data.get('password')) });
    setProblem(error?.message ?? '');
  }
  return (
    <main>
      <form action={signUp} aria-label="Sign up">
        <label>Name <input name="name" required /></label>
        <label>E-mail <input name="email" type="email" required /></label>
        <label>Password <input name="password" type="password" required /></label>
        <button>Create account</button>
      </form>
      <form action={logIn} aria-label="Log in">
        <label>E-mail <input name="email" type="email" required /></label>
        <label>Password <input name="password" type="password" required /></label>
        <button>Log in with e-mail</button>
      </form>
      <p role="alert">{problem}</p>
    </main>
  );
}
