// Enough of Supabase Auth for supabase-js: sign-up, anonymous too, sessions, profile changes, and
// the admin's creating, banning and deleting. Each request is one transaction, as there.
import type pg from 'pg';
import {
  addRefreshToken,
  banAccount,
  changeAccount,
  createAccount,
  createSession,
  deleteAccount,
  findAccount,
  isPassword,
  type Account,
  type Metadata,
} from './accounts.ts';
import { Refusal } from './errors.ts';
import { identify, signToken, type Caller, type Keys } from './keys.ts';

interface Body {
  email?: string;
  password?: string;
  data?: Metadata;
  user_metadata?: Metadata;
  refresh_token?: string;
  ban_duration?: string;
  should_soft_delete?: boolean;
}

export class Auth {
  readonly #pool: pg.Pool;
  readonly #keys: Keys;

  constructor(pool: pg.Pool, keys: Keys) {
    this.#pool = pool;
    this.#keys = keys;
  }

  async handle(request: Request, path: string): Promise<Response> {
    const client = await this.#pool.connect();
    try {
      const caller = await identify(request, this.#keys);
      const text = await request.text();
      const body = (text ? JSON.parse(text) : {}) as Body;
      await client.query('begin');
      const answer = await this.#route(client, caller, request, path, body);
      await client.query('commit');
      return answer === undefined ? new Response(null, { status: 204 }) : Response.json(answer);
    } catch (failure) {
      await client.query('rollback');
      if (!(failure instanceof Refusal)) throw failure;
      const { code, message } = failure.problem;
      return Response.json(
        { code: failure.status, error_code: code, msg: message },
        { status: failure.status },
      );
    } finally {
      client.release();
    }
  }

  async #route(
    db: pg.ClientBase,
    caller: Caller,
    request: Request,
    path: string,
    body: Body,
  ): Promise<unknown> {
    const admin = /^\/admin\/users(?:\/([0-9a-f-]{36}))?$/.exec(path);
    if (admin) return this.#admin(db, caller, request.method, admin[1], body);
    switch (`${request.method} ${path}`) {
      case 'POST /signup':
        return this.#signUp(db, body);
      case 'POST /token':
        return new URL(request.url).searchParams.get('grant_type') === 'refresh_token'
          ? this.#refresh(db, body)
          : this.#logIn(db, body);
      case 'GET /user':
        return present((await signedIn(db, caller)).account);
      case 'PUT /user': {
        const { account } = await signedIn(db, caller);
        await changeAccount(db, account, body);
        return present(await mustFind(db, account.id));
      }
      case 'POST /logout': {
        const { account, session } = await signedIn(db, caller);
        const everywhere = new URL(request.url).searchParams.get('scope') !== 'local';
        await db.query(`delete from sessions where ${everywhere ? 'user_id' : 'id'} = $1`, [
          everywhere ? account.id : session,
        ]);
        return undefined;
      }
      default:
        throw new Refusal(404, 'not_found', `${request.method} ${path} is not there`);
    }
  }

  async #admin(
    db: pg.ClientBase,
    caller: Caller,
    method: string,
    id: string | undefined,
    body: Body,
  ): Promise<unknown> {
    if (caller.role !== 'service_role') throw new Refusal(403, 'not_admin', 'User not allowed');
    if (id === undefined && method === 'POST') {
      const { email, password, user_metadata: metadata } = body;
      return present(await mustFind(db, await createAccount(db, { email, password, metadata })));
    }
    const account = await mustFind(db, id ?? '00000000-0000-0000-0000-000000000000');
    if (method === 'PUT') {
      if (body.ban_duration !== undefined) await banAccount(db, account.id, banEnd(body.ban_duration));
      await changeAccount(db, account, { ...body, data: body.user_metadata });
      return present(await mustFind(db, account.id));
    }
    if (method === 'DELETE') await deleteAccount(db, account.id, body.should_soft_delete === true);
    return present(account);
  }

  async #signUp(db: pg.ClientBase, { email, password, data }: Body): Promise<unknown> {
    if (email !== undefined && (await findAccount(db, 'email', email))) {
      throw new Refusal(422, 'user_already_exists', 'User already registered');
    }
    return this.#startSession(db, await createAccount(db, { email, password, metadata: data }));
  }

  async #logIn(db: pg.ClientBase, { email, password }: Body): Promise<unknown> {
    const account = email ? await findAccount(db, 'email', email) : undefined;
    if (!account || !password || !isPassword(password, account.encrypted_password)) {
      throw new Refusal(400, 'invalid_credentials', 'Invalid login credentials');
    }
    if (account.banned_until && account.banned_until > new Date()) {
      throw new Refusal(400, 'user_banned', 'User is banned');
    }
    return this.#startSession(db, account.id);
  }

  async #startSession(db: pg.ClientBase, id: string): Promise<unknown> {
    const { session, refresh } = await createSession(db, id);
    return this.#tokens(await mustFind(db, id), session, refresh);
  }

  async #refresh(db: pg.ClientBase, { refresh_token: token }: Body): Promise<unknown> {
    const { rows } = await db.query<{ user_id: string; session_id: string }>(
      'update refresh_tokens set revoked = true where token = $1 and not revoked returning user_id, session_id',
      [token],
    );
    if (!rows[0]) throw new Refusal(400, 'refresh_token_not_found', 'Invalid Refresh Token');
    const { user_id: user, session_id: session } = rows[0];
    return this.#tokens(await mustFind(db, user), session, await addRefreshToken(db, user, session));
  }

  async #tokens(account: Account, session: string, refresh: string): Promise<unknown> {
    const lifetime = 3600;
    const expiresAt = Math.floor(Date.now() / 1000) + lifetime;
    const claims = {
      sub: account.id,
      aud: 'authenticated',
      role: account.role,
      email: account.email ?? '',
      app_metadata: account.raw_app_meta_data,
      user_metadata: account.raw_user_meta_data,
      session_id: session,
      is_anonymous: account.is_anonymous,
      aal: 'aal1',
    };
    return {
      access_token: await signToken(this.#keys, claims, expiresAt),
      token_type: 'bearer',
      expires_in: lifetime,
      expires_at: expiresAt,
      refresh_token: refresh,
      user: present(account),
    };
  }
}

/** Whose token it is, if their session is still there. */
async function signedIn(
  db: pg.ClientBase,
  { claims }: Caller,
): Promise<{ account: Account; session: string }> {
  if (typeof claims.sub !== 'string')
    throw new Refusal(401, 'no_authorization', 'This endpoint requires a session');
  const { rowCount } = await db.query('select from sessions where id = $1', [claims.session_id]);
  if (rowCount === 0) throw new Refusal(403, 'session_not_found', 'The session is over');
  return { account: await mustFind(db, claims.sub), session: String(claims.session_id) };
}

async function mustFind(db: pg.ClientBase, id: string): Promise<Account> {
  const account = await findAccount(db, 'id', id);
  if (!account) throw new Refusal(404, 'user_not_found', 'User not found');
  return account;
}

/** "none", or a number of hours such as "24h". */
function banEnd(duration: string): Date | null {
  const hours = /^(\d+)h$/.exec(duration)?.[1];
  if (duration !== 'none' && !hours)
    throw new Refusal(400, 'validation_failed', `invalid ban_duration ${duration}`);
  return hours ? new Date(Date.now() + Number(hours) * 3_600_000) : null;
}

function present(account: Account): unknown {
  const { id, aud, role, email, email_confirmed_at, last_sign_in_at, is_anonymous, banned_until } = account;
  const {
    raw_app_meta_data: app_metadata,
    raw_user_meta_data: user_metadata,
    created_at,
    updated_at,
  } = account;
  return {
    id,
    aud,
    role,
    email: email ?? '',
    phone: '',
    email_confirmed_at,
    last_sign_in_at,
    app_metadata,
    user_metadata,
    identities: [],
    is_anonymous,
    banned_until,
    created_at,
    updated_at,
  };
}
