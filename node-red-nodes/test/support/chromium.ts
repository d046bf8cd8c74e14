import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Browser of this machine, undefined when there is none. */
export const chromiumPath: string | undefined = process.env.CHROMIUM ?? CANDIDATES.find((path) => existsSync(path));

/** For `t.test(name, chromiumSkip, …)`: skips by name where no browser is installed. */
export const chromiumSkip: { readonly skip: string } | Record<never, never> =
  chromiumPath === undefined ? { skip: 'needs chromium (Debian package chromium)' } : {};

/** Flags that keep the browser from looking for anything beyond the page under test. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Headless browser for one test; close it in the test's teardown. */
export function launchChromium(): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error('no chromium on this machine: skip the test with chromiumSkip');
  return chromium.launch({ executablePath: chromiumPath, args: FLAGS, timeout: 30_000 });
}

/** For pages whose motion nobody looks at: an animation is drawn sixty times a second, by the processor that runs the rest. */
export const STILL = { reducedMotion: 'reduce' } as const;

/** What a dashboard page is looked at with: a laptop and a phone. */
export const VIEWPORTS = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } } as const;
