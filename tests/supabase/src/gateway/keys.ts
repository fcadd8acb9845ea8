// Who asks: the keys of a project, the tokens that it signs, and the role that they stand for.
import { randomBytes } from 'node:crypto';
import { errors, jwtVerify, SignJWT, type JWTPayload } from 'jose';
import { Refusal } from './errors.ts';

export interface Keys {
  /** For browsers: stands for the role anon. */
  publishable: string;
  /** For servers: stands for the role service_role. */
  secret: string;
  /** What signs sessions (HS256). */
  jwtSecret: string;
}

export interface Caller {
  role: string;
  /** Those of the JWT, or just the role that a key stands for. */
  claims: JWTPayload;
}

export function newKeys(): Keys {
  const random = () => randomBytes(24).toString('base64url');
  return { publishable: `sb_publishable_${random()}`, secret: `sb_secret_${random()}`, jwtSecret: random() };
}

export function signToken(keys: Keys, claims: JWTPayload, expiresAt: number): Promise<string> {
  const token = new SignJWT(claims).setProtectedHeader({ alg: 'HS256', typ: 'JWT' });
  return token.setIssuedAt().setExpirationTime(expiresAt).sign(new TextEncoder().encode(keys.jwtSecret));
}

/**
 * Supabase's API gateway wants a known key in every request and puts a token in the place of one;
 * PostgREST then verifies that, or the session's own.
 */
export async function identify(request: Request, keys: Keys): Promise<Caller> {
  const key = request.headers.get('apikey') ?? '';
  const role = await roleOfKey(key, keys);
  if (!role) throw new Refusal(401, 'UNAUTHORIZED', key ? 'Invalid API key' : 'No API key found in request');
  const bearer = /^bearer\s+(.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1]?.trim();
  if (!bearer || bearer === key) return { role, claims: { role } };
  const claims = await verify(bearer, keys);
  return { role: typeof claims.role === 'string' ? claims.role : 'anon', claims };
}

/** A key is one of the two opaque ones, or, as they were before those, a JWT with the role in it. */
async function roleOfKey(key: string, keys: Keys): Promise<string | undefined> {
  if (key === keys.publishable) return 'anon';
  if (key === keys.secret) return 'service_role';
  const claims = await verify(key, keys).catch(() => undefined);
  return claims?.role === 'anon' || claims?.role === 'service_role' ? claims.role : undefined;
}

async function verify(token: string, keys: Keys): Promise<JWTPayload> {
  // PostgREST forgives clocks 30 seconds.
  const options = { algorithms: ['HS256'], clockTolerance: 30 };
  try {
    return (await jwtVerify(token, new TextEncoder().encode(keys.jwtSecret), options)).payload;
  } catch (failure) {
    if (failure instanceof errors.JWTExpired) throw new Refusal(401, 'PGRST303', 'JWT expired');
    if (failure instanceof errors.JWTClaimValidationFailed)
      throw new Refusal(401, 'PGRST303', failure.message);
    if (failure instanceof errors.JWSSignatureVerificationFailed) {
      throw new Refusal(401, 'PGRST301', 'No suitable key or wrong key type');
    }
    if (failure instanceof errors.JOSEError) throw new Refusal(401, 'PGRST301', failure.message);
    throw failure;
  }
}
