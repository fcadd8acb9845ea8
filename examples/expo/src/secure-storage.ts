// Keeps the Supabase session in the Keychain of iOS and the Keystore of Android.
import * as SecureStore from 'expo-secure-store';

/** SecureStore promises no more than 2048 bytes for a value; a session is longer. A UTF-16 unit takes 3 at the most. */
const PIECE = 680;
const piece = (key: string, i: number) => `${key}.${i}`;

/** As supabase-js wants its `auth.storage`. */
export const secureStorage = {
  async getItem(key: string): Promise<string | null> {
    const count = Number(await SecureStore.getItemAsync(key));
    if (!count) return null;
    const pieces = await Promise.all(Array.from({ length: count }, (_, i) => SecureStore.getItemAsync(piece(key, i))));
    // A write that was cut short leaves no session rather than half of one.
    return pieces.some((value) => value === null) ? null : pieces.join('');
  },

  async setItem(key: string, value: string): Promise<void> {
    await secureStorage.removeItem(key);
    const count = Math.ceil(value.length / PIECE);
    for (let i = 0; i < count; i++) await SecureStore.setItemAsync(piece(key, i), value.slice(i * PIECE, (i + 1) * PIECE));
    // Last: until then there is none.
    await SecureStore.setItemAsync(key, String(count));
  },

  async removeItem(key: string): Promise<void> {
    const count = Number(await SecureStore.getItemAsync(key));
    await SecureStore.deleteItemAsync(key);
    for (let i = 0; i < count; i++) await SecureStore.deleteItemAsync(piece(key, i));
  },
};
