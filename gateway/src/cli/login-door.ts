import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type { Milliseconds } from '../domain/quantities.ts';
import { isPassword, type Login } from './login-file.ts';
import { type LoginNote, loginPage } from './login-page.ts';
import { SESSION_MSEC, sessionCookie, sessionOf, sessionToken } from './login-session.ts';

type Next = (error?: Error) => void;
type Middleware = (request: IncomingMessage, response: ServerResponse, next: Next) => void;

/** A person mistypes now and then; a machine that guesses gets two tries a second, and few wait in line. */
const WRONG_MSEC: Milliseconds = 500;
const MOST_WAITING = 10;
const MAX_FORM_BYTES = 4096;

/** Node-RED's own way in, which asks for the password itself and is what its command line uses. */
const OWN_LOGIN = /^\/auth\/(login|token|revoke)$/;
const hasToken = ({ headers }: IncomingMessage): boolean => headers.authorization?.startsWith('Bearer ') === true;

/** What somebody who is logged in may do in the editor: everything. */
interface EditorUser {
  readonly username: string;
  readonly permissions: '*';
}

/** Parts of Node-RED's settings that keep everything behind one log-in. */
export interface DoorSettings {
  readonly adminAuth: {
    readonly type: 'credentials';
    readonly users: (name: string) => Promise<EditorUser | null>;
    readonly authenticate: (name: string, password: string) => Promise<EditorUser | null>;
    readonly tokens: (cookies: string) => Promise<EditorUser | null>;
    readonly tokenHeader: 'cookie';
  };
  readonly httpAdminMiddleware: Middleware;
  readonly httpNodeAuth: Middleware;
  readonly webSocketNodeVerifyClient: (info: { readonly req: IncomingMessage }) => boolean;
  readonly dashboard: { readonly middleware: Middleware; readonly ioMiddleware: SocketMiddleware };
}
type SocketMiddleware = (socket: { readonly request: IncomingMessage }, next: Next) => void;

/** Where the form leads: a path of this server, nothing else. */
export const ownPath = (to: string | null): string => (to !== null && /^\/(?![/\\])[^\r\n]*$/.test(to) ? to : '/');

/** Passwords are tried one after another: guessing in parallel gains nothing. */
class Lock {
  readonly #login: Login;
  #waiting = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(login: Login) {
    this.#login = login;
  }

  async try(user: string, password: string): Promise<'right' | 'wrong' | 'busy'> {
    if (this.#waiting >= MOST_WAITING) return 'busy';
    this.#waiting += 1;
    const attempt = this.#turn.then(async () => {
      const isRight = await isPassword(this.#login, user, password);
      if (!isRight) await pause(WRONG_MSEC);
      return isRight ? 'right' : 'wrong';
    });
    this.#turn = attempt.catch(() => undefined); // whoever tried hears of it
    try {
      return await attempt;
    } finally {
      this.#waiting -= 1;
    }
  }
}

async function formOf(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > MAX_FORM_BYTES) return undefined;
  }
  return new URLSearchParams(text);
}

const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'none'",
  // With `no-referrer` a form would be sent as if from a page without address, which the guard refuses.
  'referrer-policy': 'same-origin',
};

const STATUS: Readonly<Record<LoginNote, number>> = { none: 200, out: 200, wrong: 401, busy: 429 };

/**
 * One log-in for editor, dashboard, sockets and the HTTP nodes of flows (node-red.md §1i): a form, then a signed cookie.
 * `path` names the login's file. Node-RED's settings are read before anything can wait, so this reads at once.
 */
export function openDoor(path: string, port: number): DoorSettings {
  const login = JSON.parse(readFileSync(path, 'utf8')) as Login; // `apis up` has checked or written it just before
  const lock = new Lock(login);
  const user: EditorUser = { username: login.user, permissions: '*' };
  const expiryOf = ({ headers }: Pick<IncomingMessage, 'headers'>): number | undefined =>
    sessionOf(login, port, headers.cookie, Date.now());
  const isKnown = (request: Pick<IncomingMessage, 'headers'>): boolean => expiryOf(request) !== undefined;

  const greet = (response: ServerResponse): void => {
    response.setHeader('set-cookie', sessionCookie(port, sessionToken(login, Date.now() + SESSION_MSEC)));
  };
  const show = (response: ServerResponse, to: string, note: LoginNote): void => {
    response.writeHead(STATUS[note], PAGE_HEADERS).end(loginPage(login.user, to, note));
  };
  const leadTo = (response: ServerResponse, location: string): void => {
    response.writeHead(303, { location, 'cache-control': 'no-store' }).end();
  };

  const attempt = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const form = await formOf(request);
    const to = ownPath(form?.get('to') ?? null);
    const outcome = await lock.try(form?.get('user')?.trim() ?? '', form?.get('password')?.trim() ?? '');
    if (outcome !== 'right') return show(response, to, outcome);
    greet(response);
    leadTo(response, to);
  };

  /** The door's own pages; false for any other. */
  const answered = (request: IncomingMessage, response: ServerResponse, next: Next): boolean => {
    const url = new URL(request.url ?? '/', 'http://door');
    if (url.pathname === '/logout') {
      response.setHeader('set-cookie', sessionCookie(port, undefined));
      show(response, '/', 'out');
    } else if (url.pathname !== '/login') return false;
    else if (request.method === 'POST') attempt(request, response).catch(next);
    else if (isKnown(request)) leadTo(response, ownPath(url.searchParams.get('to')));
    else show(response, ownPath(url.searchParams.get('to')), 'none');
    return true;
  };

  const refuse = (request: IncomingMessage, response: ServerResponse): void => {
    const isPage = request.method === 'GET' && request.headers.accept?.includes('text/html') === true;
    const url = (request as { readonly originalUrl?: string }).originalUrl ?? request.url ?? '/'; // express shortens `url`
    if (isPage) leadTo(response, `/login?to=${encodeURIComponent(url)}`);
    else response.writeHead(401, { 'content-type': 'text/plain; charset=utf-8' }).end('Log in first, at /login.\n');
  };

  const onlyKnown: Middleware = (request, response, next) => {
    const expiresAt = expiryOf(request);
    if (expiresAt === undefined) return refuse(request, response);
    if (expiresAt - Date.now() < SESSION_MSEC / 2) greet(response);
    next();
  };
  const atAdmin: Middleware = (request, response, next) => {
    if (answered(request, response, next)) return;
    // A token is checked by Node-RED where it counts, and again at the flow's own pages, where only a session does.
    if (OWN_LOGIN.test(request.url?.split('?')[0] ?? '') || hasToken(request)) next();
    else onlyKnown(request, response, next);
  };

  return {
    adminAuth: {
      type: 'credentials',
      users: async (name) => (name === user.username ? user : null),
      authenticate: async (name, password) => ((await lock.try(name, password)) === 'right' ? user : null),
      tokens: async (cookie) => (isKnown({ headers: { cookie } }) ? user : null),
      tokenHeader: 'cookie',
    },
    httpAdminMiddleware: atAdmin,
    httpNodeAuth: onlyKnown,
    webSocketNodeVerifyClient: ({ req }) => isKnown(req),
    dashboard: {
      middleware: onlyKnown,
      ioMiddleware: ({ request }, next) => next(isKnown(request) ? undefined : new Error('log in first')),
    },
  };
}
