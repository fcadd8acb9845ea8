// What Supabase Auth writes: the same statements on auth.users, in the same order, by the same role
// (supabase_auth_admin, whose search_path is auth, hence the unqualified names).
import { randomBytes, randomUUID, scryptSync, timingSafeEqual } from 'node:crypto';
import type pg from 'pg';

export type Metadata = Record<string, unknown>;

export interface Account {
  id: string;
  aud: string;
  role: string;
  email: string | null;
  encrypted_password: string;
  email_confirmed_at: Date | null;
  last_sign_in_at: Date | null;
  raw_app_meta_data: Metadata;
  raw_user_meta_data: Metadata;
  banned_until: Date | null;
  deleted_at: Date | null;
  is_anonymous: boolean;
  created_at: Date;
  updated_at: Date;
}

export interface NewAccount {
  email?: string;
  password?: string;
  metadata?: Metadata;
}

export async function findAccount(
  db: pg.ClientBase,
  column: 'id' | 'email',
  value: string,
): Promise<Account | undefined> {
  const { rows } = await db.query<Account>(
    `select * from users where ${column} = $1 and deleted_at is null`,
    [value],
  );
  return rows[0];
}

/** With an e-mail that needs no confirmation, or, without one, anonymous. */
export async function createAccount(
  db: pg.ClientBase,
  { email, password, metadata = {} }: NewAccount,
): Promise<string> {
  const id = randomUUID();
  const anonymous = email === undefined;
  const documented = anonymous ? metadata : { ...metadata, sub: id, email, email_verified: true };
  // Every column but the generated one, and no role yet: so Auth's library inserts.
  await db.query(
    `insert into users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, invited_at,
       confirmation_token, confirmation_sent_at, recovery_token, recovery_sent_at, email_change_token_new,
       email_change, email_change_sent_at, last_sign_in_at, raw_app_meta_data, raw_user_meta_data, is_super_admin,
       created_at, updated_at, phone, phone_confirmed_at, phone_change, phone_change_token, phone_change_sent_at,
       email_change_token_current, email_change_confirm_status, banned_until, reauthentication_token,
       reauthentication_sent_at, is_sso_user, deleted_at, is_anonymous)
     values ('00000000-0000-0000-0000-000000000000', $1, 'authenticated', '', $2, $3, null, null, '', null, '', null,
       '', '', null, null, $4, $5, false, now(), now(), null, null, '', '', null, '', 0, null, '', null, false, null, $6)`,
    [
      id,
      email ?? null,
      password === undefined ? '' : hash(password),
      appMetadata(email),
      documented,
      anonymous,
    ],
  );
  await db.query(`update users set role = 'authenticated', updated_at = now() where id = $1`, [id]);
  if (!anonymous) await addIdentity(db, id, email);
  await audit(db, 'user_signedup', id);
  if (!anonymous)
    await db.query('update users set email_confirmed_at = now(), updated_at = now() where id = $1', [id]);
  return id;
}

/** Each kind of change in an UPDATE of its own; with an e-mail, an anonymous account becomes a full one. */
export async function changeAccount(
  db: pg.ClientBase,
  account: Account,
  change: { email?: string; password?: string; data?: Metadata },
): Promise<void> {
  const { id } = account;
  if (change.password !== undefined) {
    await db.query('update users set encrypted_password = $2, updated_at = now() where id = $1', [
      id,
      hash(change.password),
    ]);
  }
  if (change.data !== undefined) {
    const merged = Object.entries({ ...account.raw_user_meta_data, ...change.data }).filter(
      ([, value]) => value !== null,
    );
    await db.query('update users set raw_user_meta_data = $2, updated_at = now() where id = $1', [
      id,
      Object.fromEntries(merged),
    ]);
  }
  if (change.email !== undefined && change.email !== account.email) {
    await db.query(`delete from identities where user_id = $1 and provider = 'email'`, [id]);
    await addIdentity(db, id, change.email);
    await db.query(`update users set email = $2, email_change = '', updated_at = now() where id = $1`, [
      id,
      change.email,
    ]);
    await db.query('update users set email_confirmed_at = now(), updated_at = now() where id = $1', [id]);
    if (account.is_anonymous) {
      await db.query('update users set raw_app_meta_data = $2, updated_at = now() where id = $1', [
        id,
        appMetadata(change.email),
      ]);
      await db.query('update users set is_anonymous = false, updated_at = now() where id = $1', [id]);
    }
  }
  await audit(db, 'user_modified', id);
}

export async function banAccount(db: pg.ClientBase, id: string, until: Date | null): Promise<void> {
  await db.query('update users set banned_until = $2, updated_at = now() where id = $1', [id, until]);
}

/** For good; or softly: the row stays, without what it says of the person. */
export async function deleteAccount(db: pg.ClientBase, id: string, soft: boolean): Promise<void> {
  await audit(db, 'user_deleted', id);
  if (!soft) {
    await db.query('delete from users where id = $1', [id]);
    return;
  }
  const scrambled = `${randomBytes(16).toString('hex')}@deleted.invalid`;
  await db.query('delete from sessions where user_id = $1', [id]);
  await db.query('delete from identities where user_id = $1', [id]);
  await db.query(
    `update users set deleted_at = now(), email = $2, encrypted_password = '', raw_user_meta_data = '{}', updated_at = now()
     where id = $1`,
    [id, scrambled],
  );
}

/** A session and its refresh token. */
export async function createSession(
  db: pg.ClientBase,
  userId: string,
): Promise<{ session: string; refresh: string }> {
  const session = randomUUID();
  await db.query(
    `insert into sessions (id, user_id, created_at, updated_at, aal) values ($1, $2, now(), now(), 'aal1')`,
    [session, userId],
  );
  const refresh = await addRefreshToken(db, userId, session);
  // This one alone, at every login: it must not make anybody tell CometChat.
  await db.query('update users set last_sign_in_at = now(), updated_at = now() where id = $1', [userId]);
  return { session, refresh };
}

export async function addRefreshToken(db: pg.ClientBase, userId: string, session: string): Promise<string> {
  const token = randomBytes(16).toString('base64url');
  await db.query(
    `insert into refresh_tokens (token, user_id, revoked, created_at, updated_at, session_id)
     values ($1, $2, false, now(), now(), $3)`,
    [token, userId, session],
  );
  return token;
}

export function isPassword(password: string, stored: string): boolean {
  const [salt, digest] = stored.split(':');
  if (!salt || !digest) return false;
  return timingSafeEqual(Buffer.from(digest, 'hex'), scryptSync(password, salt, 32, { N: 1024 }));
}

function hash(password: string): string {
  const salt = randomBytes(16).toString('hex');
  return `${salt}:${scryptSync(password, salt, 32, { N: 1024 }).toString('hex')}`;
}

const appMetadata = (email: string | undefined): Metadata =>
  email === undefined ? {} : { provider: 'email', providers: ['email'] };

async function addIdentity(db: pg.ClientBase, id: string, email: string): Promise<void> {
  await db.query(
    `insert into identities (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
     values ($1::text, $1::uuid, $2, 'email', now(), now(), now())`,
    [id, { sub: id, email, email_verified: true }],
  );
}

async function audit(db: pg.ClientBase, action: string, id: string): Promise<void> {
  await db.query(
    'insert into audit_log_entries (instance_id, id, payload, created_at) values (null, $1, $2, now())',
    [randomUUID(), { action, actor_id: id }],
  );
}
