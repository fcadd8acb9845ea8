// Creates the CometChat user of who asks, and a token, and keeps both in cometchat_users.
import { createClient } from '@supabase/supabase-js';

const { COMETCHAT_API_KEY: apiKey = '', NEXT_PUBLIC_COMETCHAT_APP_ID: appId, NEXT_PUBLIC_COMETCHAT_REGION: region } = process.env;
const api = process.env.COMETCHAT_API_URL ?? `https://${appId}.api-${region}.cometchat.io/v3`;

export async function POST(request: Request) {
  const admin = createClient(process.env.NEXT_PUBLIC_SUPABASE_URL!, process.env.SUPABASE_SERVICE_ROLE_KEY!);
  const jwt = request.headers.get('authorization')?.replace('Bearer ', '');
  const { data } = await admin.auth.getUser(jwt);
  if (!data.user) return Response.json({ success: false, error: 'Unauthorized' }, { status: 401 });

  const { displayName } = await request.json();
  const uid = data.user.id;
  const known = await admin.from('cometchat_users').select('cometchat_auth_token').eq('user_id', uid).maybeSingle();
  if (known.data?.cometchat_auth_token) {
    return Response.json({ success: true, cometchatUid: uid, authToken: known.data.cometchat_auth_token });
  }
  const created = await cometChat('/users', { uid, name: displayName || 'User' });
  if (created.error && created.error.code !== 'ERR_UID_ALREADY_EXISTS') {
    return Response.json({ success: false, error: created.error.message }, { status: 502 });
  }
  const token = await cometChat(`/users/${uid}/auth_tokens`, {});
  if (token.error) return Response.json({ success: false, error: token.error.message }, { status: 502 });
  const row = { user_id: uid, cometchat_uid: uid, cometchat_auth_token: token.data.authToken };
  const { error } = await admin.from('cometchat_users').upsert(row, { onConflict: 'user_id' });
  if (error) return Response.json({ success: false, error: error.message }, { status: 500 });
  return Response.json({ success: true, cometchatUid: uid, authToken: token.data.authToken });
}

async function cometChat(path: string, body: object) {
  const headers = { apiKey, appId: appId ?? '', 'content-type': 'application/json' };
  return (await fetch(`${api}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })).json();
}
