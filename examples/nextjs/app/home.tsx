'use client';
// The browser's part: account forms, and chat that follows the session.
import { CometChatProvider, useCometChat } from 'cometchat-ext/react';
import { useRouter } from 'next/navigation';
import { useState } from 'react';
import { words } from '../../shared/page/words';
import { chat } from '../lib/chat';
import { supabase } from '../lib/supabase-browser';

/** `greeted`: the name of who is signed in, as the server knows it; null is nobody. */
export function Home({ greeted }: { greeted: string | null }) {
  return (
    <CometChatProvider supabase={supabase} chat={chat}>
      {greeted === null ? <SignedOut /> : <SignedIn name={greeted} />}
    </CometChatProvider>
  );
}

/** Sends a form once, shows its problem, and has the server make the page anew. */
function useForm(send: (fields: Record<string, string>) => Promise<string | undefined>) {
  const router = useRouter();
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  const action = async (data: FormData) => {
    setBusy(true);
    const fields = Object.fromEntries([...data].map(([key, value]) => [key, String(value)]));
    const said = await send(fields).catch(() => 'Something unexpected happened. Please try again.');
    setProblem(said ?? '');
    setBusy(false);
    if (!said) router.refresh();
  };
  return { action, problem: <p role="alert">{problem}</p>, busy };
}

function SignedOut() {
  const signUp = useForm(async ({ name, email, password }) => {
    const options = { data: { display_name: name } };
    const { data, error } = await supabase.auth.signUp({ email: email!, password: password!, options });
    if (error) return error.message;
    return data.session ? undefined : `Open the link that we sent to ${email}.`;
  });
  const logIn = useForm(async ({ email, password }) => {
    const { error } = await supabase.auth.signInWithPassword({ email: email!, password: password! });
    return error?.message;
  });
  return (
    <>
      <h1>Sign up, and chat is ready.</h1>
      <form action={signUp.action} aria-label="Sign up">
        <label>Name <input name="name" maxLength={100} required /></label>
        <label>E-mail <input name="email" type="email" required /></label>
        <label>Password <input name="password" type="password" minLength={6} required /></label>
        {signUp.problem}
        <button disabled={signUp.busy}>Create account</button>
      </form>
      <form action={logIn.action} aria-label="Log in">
        <label>E-mail <input name="email" type="email" required /></label>
        <label>Password <input name="password" type="password" required /></label>
        {logIn.problem}
        <button className="quiet" disabled={logIn.busy}>Log in with e-mail</button>
      </form>
    </>
  );
}

function SignedIn({ name }: { name: string }) {
  const { signOut } = useCometChat();
  const profile = useForm(async (fields) => {
    const { error } = await supabase.auth.updateUser({ data: { display_name: fields.name } });
    return error?.message;
  });
  const leave = useForm(async ({ everywhere }) => {
    const errorCode = await signOut(everywhere === 'on');
    return errorCode && `Not signed out: ${errorCode}`;
  });
  return (
    <>
      <h1>Hello, {name}</h1>
      <ChatCard />
      <form action={profile.action} aria-label="Profile">
        <label>Display name <input name="name" defaultValue={name} maxLength={100} required /></label>
        {profile.problem}
        <button disabled={profile.busy}>Save</button>
      </form>
      <form action={leave.action} aria-label="Sign out">
        <label className="check"><input type="checkbox" name="everywhere" /> Sign out everywhere</label>
        {leave.problem}
        <button className="quiet" disabled={leave.busy}>Sign out</button>
      </form>
    </>
  );
}

function ChatCard() {
  const { state, retry } = useCometChat();
  return (
    <section aria-label="Chat" data-status={state.status}>
      <h2>Chat</h2>
      <p role="status">{words(state)}</p>
      {state.status === 'connected' && (
        <dl>
          <dt>Name at CometChat</dt><dd data-fact="name">{state.user.name}</dd>
          <dt>uid</dt><dd data-fact="uid">{state.user.uid}</dd>
        </dl>
      )}
      {(state.status === 'waiting' || state.status === 'failed') && <button className="quiet" onClick={retry}>Try now</button>}
    </section>
  );
}
