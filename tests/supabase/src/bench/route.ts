// A server route such as a team writes: whose session it is, look up, create at CometChat with fetch, fall
// back where the user is there already, store, answer. In a process of its own, as a server is.
//
//   POST /asks      Supabase Auth is asked whose token it is (`auth.getUser()`)
//   POST /verifies  the token's signature is verified here
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createClient } from '@supabase/supabase-js';
import { jwtVerify } from 'jose';
import type { Keys } from '../gateway/keys.ts';
import { given, type Config } from './config.ts';

const { chat } = given<Config>('CONFIG');
const keys = given<Keys>('KEYS');
const supabase = createClient(given<string>('GATEWAY'), keys.secret, {
  auth: { persistSession: false, autoRefreshToken: false },
});
const secret = new TextEncoder().encode(keys.jwtSecret);

interface Person {
  id: string;
  email?: string;
  name?: string;
}

interface ChatAnswer {
  data?: { authToken?: string };
  error?: { code?: string };
}

const ways: Record<string, (token: string) => Promise<Person>> = {
  async '/asks'(token) {
    const { data, error } = await supabase.auth.getUser(token);
    if (error) throw error;
    return { id: data.user.id, email: data.user.email, name: data.user.user_metadata?.full_name };
  },
  async '/verifies'(token) {
    const { payload } = await jwtVerify(token, secret, { algorithms: ['HS256'] });
    const metadata = payload.user_metadata as { full_name?: string } | undefined;
    return { id: payload.sub!, email: payload.email as string | undefined, name: metadata?.full_name };
  },
};

async function chatToken({ id, email, name }: Person): Promise<string> {
  const known = await supabase.from('chat_users').select('cometchat_auth_token').eq('user_id', id).maybeSingle();
  if (known.error) throw known.error;
  if (known.data?.cometchat_auth_token) return known.data.cometchat_auth_token as string;
  let answer = await post('/users', {
    uid: id,
    name: name ?? id,
    metadata: { '@private': { email } },
    withAuthToken: true,
  });
  if (answer.error?.code === 'ERR_UID_ALREADY_EXISTS') answer = await post(`/users/${id}/auth_tokens`, {});
  const token = answer.data?.authToken;
  if (!token) throw new Error(`CometChat answers ${JSON.stringify(answer)}`);
  const row = { user_id: id, cometchat_uid: id, cometchat_auth_token: token };
  const stored = await supabase.from('chat_users').upsert(row, { onConflict: 'user_id' });
  if (stored.error) throw stored.error;
  return token;
}

async function post(path: string, body: unknown): Promise<ChatAnswer> {
  const response = await fetch(`${chat.url}${path}`, {
    method: 'POST',
    headers: { apikey: chat.key, appId: chat.app, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return (await response.json()) as ChatAnswer;
}

async function answer(request: IncomingMessage): Promise<string> {
  const identify = ways[request.url ?? ''];
  const token = /^bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (!identify || !token) throw new Error('no such route, or no token');
  const person = await identify(token);
  return JSON.stringify({ success: true, cometchatUid: person.id, authToken: await chatToken(person) });
}

const server = createServer((request, response) => {
  answer(request).then(
    (json) => response.writeHead(200, { 'content-type': 'application/json' }).end(json),
    (failure) => response.writeHead(500).end(String(failure?.message ?? failure)),
  );
});
server.listen(0, '127.0.0.1', () => {
  process.send!(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
process.on('disconnect', () => process.exit());
