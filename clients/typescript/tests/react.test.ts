// @vitest-environment jsdom
// The provider and the hook: on a server, in a browser, under StrictMode, and after they went away.
import { act, createElement, StrictMode } from 'react';
import { createRoot, hydrateRoot } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { beforeEach, expect, test, vi } from 'vitest';
import { CometChatProvider, useCometChat, type CometChatContext } from '../src/react.js';
import type { SessionClient } from '../src/session.js';

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });
const TOKEN = { success: true, authToken: 'ada_1', cometchatUid: 'ada' };
const chat = { logIn: vi.fn(async () => ({ uid: 'ada', name: 'Ada Lovelace' })), logOut: vi.fn(async () => {}) };
const listeners = new Set<(event: string, session: { user: { id: string } } | null) => void>();
const rpc = vi.fn(() => ({ abortSignal: async () => ({ data: TOKEN, error: null, status: 200 }) }));
const supabase: SessionClient = {
  rpc,
  auth: {
    getSession: async () => ({ data: { session: null } }),
    onAuthStateChange(listener) {
      listeners.add(listener);
      return { data: { subscription: { unsubscribe: () => listeners.delete(listener) } } };
    },
    signOut: async () => ({ error: null }),
  },
};

let hook: CometChatContext;
function Page() {
  hook = useCometChat();
  return createElement('p', null, hook.state.status);
}
const app = createElement(StrictMode, null, createElement(CometChatProvider, { supabase, chat }, createElement(Page)));
const signIn = () => act(async () => listeners.forEach((listener) => listener('INITIAL_SESSION', { user: { id: 'ada' } })));
const mount = async () => {
  const page = document.body.appendChild(document.createElement('div'));
  page.innerHTML = renderToString(app);
  return { page, root: await act(async () => hydrateRoot(page, app, { onRecoverableError })) };
};
const onRecoverableError = vi.fn();

beforeEach(() => {
  listeners.clear();
  vi.clearAllMocks();
});

test('on a server it renders, and listens to nothing', () => {
  expect(renderToString(app)).toContain('connecting');
  expect(listeners.size).toBe(0);
  expect(rpc).not.toHaveBeenCalled();
});

test('it hydrates without a difference, follows the session once, and stops with the page', async () => {
  const { page, root } = await mount();
  expect(onRecoverableError).not.toHaveBeenCalled();
  expect(listeners.size, 'StrictMode mounts twice').toBe(1);
  await signIn();
  await vi.waitFor(() => expect(page.textContent).toBe('connected'));
  expect(chat.logIn).toHaveBeenCalledTimes(1);
  await act(async () => root.unmount());
  expect(listeners.size).toBe(0);
});

test('a sign-out everywhere that failed says why, and chat is connected again', async () => {
  const { page, root } = await mount();
  await signIn();
  await vi.waitFor(() => expect(page.textContent).toBe('connected'));
  const failed = { success: false, error: 'Database error', errorCode: 'DATABASE' };
  rpc.mockReturnValueOnce({ abortSignal: async () => ({ data: failed as never, error: null, status: 200 }) });
  let code: string | undefined;
  await act(async () => void (code = await hook.signOut(true)));
  expect(code).toBe('DATABASE');
  await vi.waitFor(() => expect(chat.logIn).toHaveBeenCalledTimes(2));
  await act(async () => root.unmount());
});

test('the hook says what it lacks, outside of a provider', async () => {
  vi.spyOn(console, 'error').mockReturnValue();
  const root = createRoot(document.createElement('div'));
  await expect(act(async () => root.render(createElement(Page)))).rejects.toThrow('CometChatProvider');
});
