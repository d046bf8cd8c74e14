import { createHmac, timingSafeEqual } from 'node:crypto';
import type { EpochMsec, Milliseconds } from '../domain/quantities.ts';
import type { Login } from './login-file.ts';

/** A screen on the wall stays logged in as long as somebody looks at it once a month. */
export const SESSION_MSEC: Milliseconds = 30 * 86_400_000;

/** Cookies know no ports: two set-ups of one machine keep theirs apart by name. */
export const cookieName = (port: number): string => `apis_session_${port}`;

const signatureOf = ({ sessionKey }: Login, expiresAt: string): Buffer =>
  createHmac('sha256', Buffer.from(sessionKey, 'hex')).update(`session ${expiresAt}`).digest();

/** A session that ends at `expiresAt`; nothing of it is stored, so it outlives restarts. */
export const sessionToken = (login: Login, expiresAt: EpochMsec): string =>
  `${expiresAt}.${signatureOf(login, String(expiresAt)).toString('base64url')}`;

/** End of the session that a request's `Cookie` header shows; undefined when it shows none that holds now. */
export function sessionOf(
  login: Login,
  port: number,
  cookies: string | undefined,
  now: EpochMsec,
): EpochMsec | undefined {
  const prefix = `${cookieName(port)}=`;
  const cookie = cookies?.split(';').find((one) => one.trim().startsWith(prefix));
  const [expiresAt = '', signature = ''] = cookie?.trim().slice(prefix.length).split('.') ?? [];
  const given = Buffer.from(signature, 'base64url');
  const right = signatureOf(login, expiresAt);
  if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
  return Number(expiresAt) > now ? Number(expiresAt) : undefined;
}

/** `Set-Cookie` for a session from now on, or, with `undefined`, for none. */
export function sessionCookie(port: number, token: string | undefined): string {
  const age = token === undefined ? 0 : SESSION_MSEC / 1000;
  return `${cookieName(port)}=${token ?? ''}; Path=/; Max-Age=${age}; HttpOnly; SameSite=Strict`;
}
