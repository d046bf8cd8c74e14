import { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { foreignRequest } from '../api/loopback-request.ts';

/**
 * Preloaded into Node-RED, whose log-in is a cookie that a browser sends along by itself: refuses what a foreign page sends to the port that this module's
 * address names. Node-RED's own hooks reach neither the editor's websocket nor the dashboard's socket, so this stands
 * where every request enters the server, before all of them.
 */
const port = Number(new URL(import.meta.url).searchParams.get('port'));
const ENTRANCES: readonly unknown[] = ['request', 'upgrade'];

const emit: (this: Server, event: string, ...args: unknown[]) => boolean = Server.prototype.emit;

Server.prototype.emit = function (this: Server, event: string, ...args: unknown[]): boolean {
  const problem = ENTRANCES.includes(event) ? problemOf(args[0]) : undefined;
  if (problem === undefined) return emit.call(this, event, ...args);
  refuse(args[1], `Refused. ${problem}\n`);
  return true;
};

const problemOf = (request: unknown): string | undefined =>
  request instanceof IncomingMessage && request.socket.localPort === port ? foreignRequest(request.headers) : undefined;

/** `answer` is a response, or the bare socket of a request for a websocket. */
function refuse(answer: unknown, text: string): void {
  const headers = { 'content-type': 'text/plain; charset=utf-8', connection: 'close' };
  if (answer instanceof ServerResponse) answer.writeHead(403, headers).end(text);
  else {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    (answer as Duplex).end(`HTTP/1.1 403 Forbidden\r\n${lines.join('')}\r\n${text}`); // what `upgrade` gives
  }
}
