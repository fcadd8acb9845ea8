// The server's Supabase client, one for each request, with the session of who asks.
import { createServerClient } from '@supabase/ssr';
import { cookies } from 'next/headers';

export async function serverSupabase() {
  const jar = await cookies();
  return createServerClient(process.env.NEXT_PUBLIC_SUPABASE_URL!, process.env.NEXT_PUBLIC_SUPABASE_PUBLISHABLE_KEY!, {
    cookies: {
      getAll: () => jar.getAll(),
      // A server component cannot set cookies; proxy.ts has refreshed the session before it runs.
      setAll: () => {},
    },
  });
}
