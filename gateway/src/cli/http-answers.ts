import { setTimeout as pause } from 'node:timers/promises';
import { get } from '../adapters/system/node-http.ts';
import type { Milliseconds } from '../domain/quantities.ts';

const ask = (url: string, headers: Readonly<Record<string, string>>): Promise<number> =>
  new Promise((resolve, reject) => {
    get(url, { timeout: 2_000, agent: false, headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on('timeout', function (this: { destroy(error: Error): void }) {
        this.destroy(new Error('timeout'));
      })
      .on('error', reject);
  });

/** Asks until the page is there; false when `limit` has passed or the signal came first. */
export async function answersInTime(
  url: string,
  limit: Milliseconds,
  signal: AbortSignal,
  headers: Readonly<Record<string, string>> = {},
): Promise<boolean> {
  const end = performance.now() + limit;
  while (performance.now() < end && !signal.aborted) {
    const status = await ask(url, headers).catch(() => 0);
    if (status >= 200 && status < 400) return true;
    await pause(300, undefined, { signal }).catch(() => undefined);
  }
  return false;
}
