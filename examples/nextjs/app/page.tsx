// A server component: knows from the cookies who is signed in, and greets before any script has run.
import { serverSupabase } from '../lib/supabase-server';
import { Home } from './home';

export default async function Page() {
  const supabase = await serverSupabase();
  const { data } = await supabase.auth.getUser();
  // Chat itself is the browser's: a token in this page's HTML would be in every cache of it. On a server
  // `createCometChatAuth(supabase).ensureUser()` is for route handlers that act in the user's name.
  return <Home greeted={data.user ? String(data.user.user_metadata.display_name ?? '') : null} />;
}
