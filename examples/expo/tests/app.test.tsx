// The app on a phone, with Supabase's answers and CometChat's UI Kit played: what it asks of both, and when.
import { act, configure, fireEvent, render, screen, within } from '@testing-library/react-native';
import { AppState } from 'react-native';

const UID = '6f1c0a52-3a6b-4b1e-9d0f-1d2c3b4a5968';
const mockKit = {
  init: jest.fn(async () => {}),
  login: jest.fn(async ({ authToken }: { authToken: string }) => {
    mockKit.who = authToken.split('_')[0];
    return { getUid: () => mockKit.who, getName: () => 'Ada' };
  }),
  logout: jest.fn(async () => void (mockKit.who = undefined)),
  // As the kit does: it rejects.
  async getLoggedInUser() {
    if (mockKit.who) return { getUid: () => mockKit.who };
    throw Object.assign(new Error('Login user not found'), { code: 'NOT_FOUND' });
  },
  who: undefined as string | undefined,
};
const mockPush = { unregisterPushToken: jest.fn(async () => 'done') };
jest.mock('@cometchat/chat-uikit-react-native', () => ({ CometChatUIKit: mockKit }));
jest.mock('react-native-safe-area-context', () => jest.requireActual('react-native-safe-area-context/jest/mock').default);
jest.mock('@cometchat/chat-sdk-react-native', () => ({ CometChatNotifications: mockPush }));
const mockStore = new Map<string, string>();
jest.mock('expo-secure-store', () => ({
  getItemAsync: async (key: string) => mockStore.get(key) ?? null,
  setItemAsync: async (key: string, value: string) => void mockStore.set(key, value),
  deleteItemAsync: async (key: string) => void mockStore.delete(key),
}));

/** Supabase: what it answers to ensureUser is up to the test. */
const GOOD = { success: true, authToken: `${UID}_token`, cometchatUid: UID };
let ensured: object = GOOD;
const asked: string[] = [];
global.fetch = jest.fn(async (input: unknown) => {
  const url = new URL(String(input instanceof Request ? input.url : input));
  asked.push(url.pathname);
  const user = { id: UID, email: 'ada@example.com', aud: 'authenticated', user_metadata: { display_name: 'Ada' }, app_metadata: {}, created_at: '' };
  const claims = Buffer.from(JSON.stringify({ sub: UID, exp: Math.floor(Date.now() / 1000) + 3600 })).toString('base64url');
  const session = { access_token: `${claims}.${claims}.x`, refresh_token: 'r', token_type: 'bearer', expires_in: 3600, user };
  const answers: Record<string, object> = {
    '/auth/v1/signup': session,
    '/auth/v1/logout': {},
    '/rest/v1/rpc/cometchat_ensure_user': ensured,
    '/rest/v1/rpc/cometchat_revoke_tokens': { success: true, cometchatUid: UID },
  };
  const body = answers[url.pathname];
  return new Response(JSON.stringify(body ?? {}), { status: body ? 200 : 404, headers: { 'content-type': 'application/json' } });
}) as never;

let foreground: (state: string) => void = () => {};
jest.spyOn(AppState, 'addEventListener').mockImplementation((_, listener) => {
  const before = foreground;
  foreground = (state) => (before(state), (listener as (state: string) => void)(state));
  return { remove: () => {} } as never;
});

// Not by import, which would come before the players above are there.
const { App } = require('../src/App') as typeof import('../src/App');
const { supabase } = require('../src/supabase') as typeof import('../src/supabase');

configure({ asyncUtilTimeout: 20_000 }); // for a machine that is busy

async function signUp() {
  await render(<App />);
  const form = within(await screen.findByLabelText('Sign up'));
  await fireEvent.changeText(form.getByLabelText('Name'), 'Ada');
  await fireEvent.changeText(form.getByLabelText('E-mail'), 'ada@example.com');
  await fireEvent.changeText(form.getByLabelText('Password'), 'correct horse');
  await fireEvent.press(form.getByText('Create account'));
}

beforeEach(async () => {
  ensured = GOOD;
  asked.length = 0;
  jest.clearAllMocks();
});
afterEach(async () => {
  await act(() => supabase.auth.signOut({ scope: 'local' }));
  await act(() => supabase.auth.stopAutoRefresh());
});

test('whoever signs up is logged in by login({ authToken }), and the session is in the secure store', async () => {
  await signUp();
  await screen.findByText('You can chat');
  expect(mockKit.init).toHaveBeenCalledWith(expect.objectContaining({ appId: 'app', region: 'eu' }));
  expect(mockKit.login).toHaveBeenCalledWith({ authToken: `${UID}_token` });
  expect([...mockStore.values()].join('')).toContain('refresh_token');
});

test('while CometChat is away it says so, and tries again when the app comes to the foreground', async () => {
  ensured = { success: false, error: 'x', errorCode: 'NETWORK', queued: true };
  await signUp();
  await screen.findByText('Chat is being set up…');
  ensured = GOOD;
  await act(async () => foreground('active'));
  await screen.findByText('You can chat');
});

test('whoever was deactivated is told that chat is closed', async () => {
  ensured = { success: false, error: 'x', errorCode: 'USER_DEACTIVATED' };
  await signUp();
  await screen.findByText('Chat is closed for you');
  expect(mockKit.login).not.toHaveBeenCalled();
});

test('signing out everywhere forgets the push token first, then chat’s tokens, then the session', async () => {
  await signUp();
  await screen.findByText('You can chat');
  await fireEvent(screen.getByLabelText('Sign out everywhere'), 'valueChange', true);
  await fireEvent.press(within(screen.getByLabelText('Sign out')).getAllByText('Sign out').at(-1)!);
  await screen.findByLabelText('Log in');
  expect(mockPush.unregisterPushToken).toHaveBeenCalledTimes(1);
  expect(mockKit.logout).toHaveBeenCalledTimes(1);
  expect(asked.filter((path) => /revoke|logout/.test(path))).toEqual(['/rest/v1/rpc/cometchat_revoke_tokens', '/auth/v1/logout']);
  expect([...mockStore.values()].join('')).not.toContain('refresh_token');
});
