// A session in SecureStore, which promises no more than 2048 bytes for a value.
import { secureStorage } from '../src/secure-storage';

const mockStore = new Map<string, string>();
let mockWritesLeft = Infinity;
jest.mock('expo-secure-store', () => ({
  getItemAsync: async (key: string) => mockStore.get(key) ?? null,
  async setItemAsync(key: string, value: string) {
    if (!/^[\w.-]+$/.test(key)) throw new Error(`not a key: ${key}`);
    if (Buffer.byteLength(value) > 2048) throw new Error('too long');
    if (mockWritesLeft-- <= 0) throw new Error('the app was ended');
    mockStore.set(key, value);
  },
  deleteItemAsync: async (key: string) => void mockStore.delete(key),
}));
beforeEach(() => {
  mockStore.clear();
  mockWritesLeft = Infinity;
});

const KEY = 'sb-project-auth-token';

test.each([['short'], ['long '.repeat(1500)], ['長い名前'.repeat(600)]])('what was kept is read: %#', async (value) => {
  await secureStorage.setItem(KEY, value);
  expect(await secureStorage.getItem(KEY)).toBe(value);
});

test('nothing was kept', async () => {
  expect(await secureStorage.getItem(KEY)).toBeNull();
});

test('a shorter session leaves nothing of a longer one, and none leaves nothing', async () => {
  await secureStorage.setItem(KEY, 'x'.repeat(5000));
  await secureStorage.setItem(KEY, 'short');
  expect(mockStore.size).toBe(2);
  await secureStorage.removeItem(KEY);
  expect(mockStore.size).toBe(0);
});

test('a write that is cut short leaves no session, not half of one', async () => {
  await secureStorage.setItem(KEY, 'old'.repeat(1000));
  mockWritesLeft = 2;
  await expect(secureStorage.setItem(KEY, 'new'.repeat(1000))).rejects.toThrow('ended');
  expect(await secureStorage.getItem(KEY)).toBeNull();
});
