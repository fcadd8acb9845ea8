// A browser has no secure store: supabase-js's own default, localStorage.
export const secureStorage = undefined;
