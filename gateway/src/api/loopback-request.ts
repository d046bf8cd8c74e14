import type { IncomingHttpHeaders } from 'node:http';

/** The names of this machine to itself, as they stand in a Host header, with any port: a tunnel may have another. */
const LOOPBACK_HOST = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/i;
/** An address of this machine that no other machine reaches. */
const LOOPBACK_ADDRESS = /^(127\.\d+\.\d+\.\d+|localhost|::1|::ffff:127\.\d+\.\d+\.\d+)$/i;

export const isLoopbackAddress = (address: string): boolean => LOOPBACK_ADDRESS.test(address);

/**
 * Why a request to a service on loopback comes from a foreign page, or undefined when it does not. Loopback keeps other
 * machines out, but not the pages that a browser on this machine shows: one may send requests here (another Origin), or
 * let its own name point here and read the answers, too (another Host).
 */
export function foreignRequest({ host, origin }: IncomingHttpHeaders): string | undefined {
  if (host === undefined || !LOOPBACK_HOST.test(host)) {
    return `Host: expected 127.0.0.1, localhost or [::1], got ${host?.slice(0, 80) ?? 'nothing'}`;
  }
  const isOwn = origin === undefined || origin.toLowerCase() === `http://${host.toLowerCase()}`;
  return isOwn ? undefined : `Origin: expected http://${host}, got ${origin.slice(0, 80)}`;
}

/** As `foreignRequest`, also for requests without Origin, such as those of a picture or a link; for paths that change things. */
export function crossSiteRequest(headers: IncomingHttpHeaders): string | undefined {
  const site = headers['sec-fetch-site'];
  return site === undefined || site === 'same-origin' || site === 'none'
    ? undefined
    : `Sec-Fetch-Site: expected same-origin or none, got ${String(site).slice(0, 80)}`;
}
