// The Supabase client, from Vite's environment. The publishable key is made to be public.
import { createClient } from '@supabase/supabase-js';
import { giveUp } from './dom';

const { VITE_SUPABASE_URL: url, VITE_SUPABASE_PUBLISHABLE_KEY: key } = import.meta.env;

if (!url || !key) {
  giveUp('Set VITE_SUPABASE_URL and VITE_SUPABASE_PUBLISHABLE_KEY, or start it all with tools/example.sh.');
}

export const supabase = createClient(url, key);
