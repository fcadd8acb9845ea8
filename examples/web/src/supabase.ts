// The Supabase client, from Vite's environment. The publishable key is made to be public.
import { createClient } from '@supabase/supabase-js';

const { VITE_SUPABASE_URL: url, VITE_SUPABASE_PUBLISHABLE_KEY: key } = import.meta.env;

if (!url || !key) {
  const missing = 'Set VITE_SUPABASE_URL and VITE_SUPABASE_PUBLISHABLE_KEY, or start it all with tools/example.sh.';
  document.body.textContent = missing;
  throw new Error(missing);
}

export const supabase = createClient(url, key);
