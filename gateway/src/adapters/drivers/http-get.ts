import type { IncomingMessage } from 'node:http';
import { DeviceError, messageOf } from '../../domain/errors.ts';
import { get } from '../system/node-http.ts';

export interface HttpEndpoint {
  readonly host: string;
  readonly port: number;
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** No driver tells more than this. */
const MAX_BODY_BYTES = 256 * 1024;

/** One GET on a connection of its own: the drivers' servers are small and drop idle connections without a word. */
function request({ host, port }: HttpEndpoint, path: string, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get({ host, port, path, agent: false, signal, headers: { accept: 'application/json' } }, resolve).on(
      'error',
      reject,
    );
  });
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Error(`reply over ${MAX_BODY_BYTES} bytes`);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** GETs a JSON object; rejects DeviceError `device.no-reply`, `device.refused` (not 200) or `device.malformed`. */
export async function getJson(endpoint: HttpEndpoint, path: string, signal: AbortSignal): Promise<JsonObject> {
  const where = `http://${endpoint.host}:${endpoint.port}${path}`;
  let status: number | undefined;
  let text: string;
  try {
    const response = await request(endpoint, path, signal);
    status = response.statusCode;
    text = await bodyOf(response);
  } catch (error) {
    throw new DeviceError('device.no-reply', `${where}: ${messageOf(signal.aborted ? signal.reason : error)}`);
  }
  if (status !== 200) {
    const said = text.trim() === '' ? '' : `: ${text.trim().slice(0, 300)}`;
    throw new DeviceError('device.refused', `${where}: HTTP status ${status}, expected 200${said}`);
  }
  return parseObject(text, where);
}

function parseObject(text: string, where: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject; // checked
  } catch {
    // The same complaint as for JSON that is no object.
  }
  throw new DeviceError(
    'device.malformed',
    `${where}: expected a JSON object, got ${JSON.stringify(text.slice(0, 60))}`,
  );
}
