import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer } from '../adapters/system/node-http.ts';
import { ConfigError, DeviceError, messageOf } from '../domain/errors.ts';
import type { World } from '../emulation/world.ts';
import { type Log, silentLog } from '../ports/log.ts';
import { EXTENSION, reasonIn } from './emulator-extension.ts';
import { EMULATOR_PAGE } from './emulator-page.ts';
import { BadRequest, EmulatorSession, type Pacer, ROUTES, type Route } from './emulator-routes.ts';
import { crossSiteRequest, foreignRequest, isLoopbackAddress } from './loopback-request.ts';

export interface EmulatorApiOptions {
  readonly world: World;
  /** Default 4390; 0 takes any free port. */
  readonly port?: number;
  /** Default 127.0.0.1: there is no authentication, and reading paths change things. */
  readonly host?: string;
  /** Without one the speed cannot be changed. */
  readonly pacer?: Pacer;
  readonly log?: Log;
}

export interface EmulatorApi {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

const DEFAULT_PORT = 4390;
const MAX_URL_LENGTH = 4096;

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

const json = (status: number, body: unknown): Answer => ({
  status,
  type: 'application/json',
  text: JSON.stringify(body),
});

const ALL_ROUTES: Readonly<Record<string, Route>> = { ...ROUTES, ...EXTENSION };

/** A route, and the name that follows it in the path. Longer routes are listed first. */
function routeOf(path: string): [route: Route | undefined, name: string] | undefined {
  if (Object.hasOwn(ALL_ROUTES, path) && !path.endsWith('/')) return [ALL_ROUTES[path], ''];
  const route = Object.keys(ALL_ROUTES).find((one) => one.endsWith('/') && path.startsWith(one));
  return route === undefined ? undefined : [ALL_ROUTES[route], path.slice(route.length)];
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    throw new BadRequest(`path: expected a name, got ${name.slice(0, 40)}`);
  }
}

async function answer(session: EmulatorSession, method: string, target: string): Promise<Answer> {
  if (method !== 'GET') return json(405, { err: `expected GET, got ${method}` });
  if (target.length > MAX_URL_LENGTH) return json(414, { err: `expected at most ${MAX_URL_LENGTH} characters` });
  const [path = '/', search = ''] = target.split(/\?(.*)/s);
  if (path === '/') return { status: 200, type: 'text/html; charset=utf-8', text: EMULATOR_PAGE };
  const found = routeOf(path);
  if (found === undefined) return json(404, { err: `no such path: ${path.slice(0, 80)}` });
  const [route, name] = found;
  return json(200, await route?.({ session, name: decoded(name), query: new URLSearchParams(search) }));
}

/** The client's mistakes are told to it; ours are logged, and the next request is served as ever. */
function refused(error: unknown, log: Log): Answer {
  if (error instanceof BadRequest || error instanceof DeviceError || error instanceof ConfigError) {
    return json(400, { err: error.message, ...reasonIn(error) });
  }
  log.error({ error: messageOf(error) }, 'emulator-api.failed');
  return json(500, { err: 'internal error' });
}

/** Every page that a browser shows may send requests here, and reading paths change things: only our own page may. */
const intrusion = ({ headers }: IncomingMessage, isLoopback: boolean): string | undefined =>
  crossSiteRequest(headers) ?? (isLoopback ? foreignRequest(headers) : undefined);

interface Service {
  readonly session: EmulatorSession;
  readonly log: Log;
  readonly isLoopback: boolean;
}

async function serve(
  { session, log, isLoopback }: Service,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let reply: Answer;
  try {
    const problem = intrusion(request, isLoopback);
    reply =
      problem === undefined
        ? await answer(session, request.method ?? 'GET', request.url ?? '/')
        : json(403, { err: `refused: ${problem}` });
  } catch (error) {
    reply = refused(error, log);
  }
  response.writeHead(reply.status, {
    'content-type': reply.type,
    'content-length': Buffer.byteLength(reply.text),
    'cache-control': 'no-store',
  });
  response.end(reply.text);
}

function listening(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const got = error.code === 'EADDRINUSE' ? 'one that is in use' : messageOf(error);
      reject(
        new ConfigError([
          { file: 'emulator', path: 'port', message: `expected a free port at ${host}:${port}, got ${got}` },
        ]),
      );
    });
    server.listen(port, host, resolve);
  });
}

/**
 * Serves a world through the HTTP interface of the original emulator, so that its clients work unchanged (emulator.md §2):
 * same paths, fields, modes and units. Unlike there, a bad request is answered with 400 and a reason, and blocks nobody.
 * Rejects with `ConfigError` when the port is in use.
 */
export async function startEmulatorApi(options: EmulatorApiOptions): Promise<EmulatorApi> {
  const { world, port = DEFAULT_PORT, host = '127.0.0.1', pacer, log = silentLog } = options;
  const session = new EmulatorSession(world, pacer);
  const service = { session, log, isLoopback: isLoopbackAddress(host) };
  const server = createServer((request, response) => {
    // Whatever goes wrong is an answer; what can fail after that is a socket which its client has left.
    serve(service, request, response).catch((error: unknown) =>
      log.warn({ error: messageOf(error) }, 'emulator-api.unanswered'),
    );
  });
  await listening(server, port, host);
  session.port = (server.address() as AddressInfo).port; // a listening TCP server has such an address
  return {
    host,
    port: session.port,
    close: () =>
      new Promise((resolve) => {
        session.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
