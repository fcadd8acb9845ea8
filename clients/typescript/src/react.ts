'use client';
// React and React Native: chat follows the session for as long as the provider is mounted.

import { createContext, createElement, useCallback, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { followSession, signOut, type Chat, type ChatState, type SessionClient } from './session.js';

export interface CometChatContext {
  state: ChatState;
  /** Logs in to chat now: for a button, or when an app comes back to the foreground. */
  retry(): void;
  newToken(): void;
  /** Of chat and of Supabase. An error code, or nothing; after an error chat is connected again. */
  signOut(everywhere?: boolean): Promise<string | undefined>;
}

export interface CometChatProviderProps {
  /** A supabase-js client with the session; the same one at every render. */
  supabase: SessionClient;
  /** What logs in: the same one at every render, so made outside the component or with `useMemo`. */
  chat: Chat;
  children?: ReactNode;
}

const Context = createContext<CometChatContext | null>(null);
/** Before the session was read, which happens in the browser alone: the same on the server, so it hydrates. */
const UNKNOWN: ChatState = { status: 'connecting' };

/** Renders on a server too, where it does nothing: the work begins in an effect. */
export function CometChatProvider({ supabase, chat, children }: CometChatProviderProps) {
  const [state, setState] = useState<ChatState>(UNKNOWN);
  const following = useRef<ReturnType<typeof followSession> | null>(null);

  useEffect(() => {
    const current = followSession(supabase, chat, setState);
    following.current = current;
    return () => {
      following.current = null;
      current.stop();
    };
  }, [supabase, chat]);

  const retry = useCallback(() => following.current?.retry(), []);
  const newToken = useCallback(() => following.current?.newToken(), []);
  const leave = useCallback(
    async (everywhere = false) => {
      const errorCode = await signOut(supabase, everywhere);
      if (errorCode) following.current?.retry();
      return errorCode;
    },
    [supabase],
  );
  const value = useMemo(() => ({ state, retry, newToken, signOut: leave }), [state, retry, newToken, leave]);
  return createElement(Context.Provider, { value }, children);
}

/** @throws Error outside a CometChatProvider. */
export function useCometChat(): CometChatContext {
  const context = useContext(Context);
  if (!context) throw new Error('useCometChat needs a CometChatProvider above it');
  return context;
}
