// What Expo puts into the app when it is built.
process.env.EXPO_PUBLIC_SUPABASE_URL = 'https://supabase.test';
process.env.EXPO_PUBLIC_SUPABASE_PUBLISHABLE_KEY = 'publishable';
process.env.EXPO_PUBLIC_COMETCHAT_APP_ID = 'app';
process.env.EXPO_PUBLIC_COMETCHAT_REGION = 'eu';
