#!/usr/bin/env -S MALLOC_ARENA_MAX=1 node --max-semi-space-size=1
// Both keep a gateway's memory small: much of it would be short-lived garbage and threads' pools of free memory, at no
// gain in speed.
// Plain JavaScript, so that it can say what is missing on any Node version and before anything is built.
import { existsSync } from 'node:fs';

const main = new URL('../dist/cli/main.js', import.meta.url);

/** What the daemon needs; the client library beside it runs on older ones, too, as Node-RED does. */
const NEEDED = [22, 18];

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  process.stderr.write(`apis: expected Node.js ${NEEDED.join('.')} or later, got ${process.versions.node}\n`);
  process.exitCode = 2;
} else if (existsSync(main)) {
  await import(main.href);
} else {
  process.stderr.write(
    'apis: not built yet (gateway/dist/cli/main.js is missing). Run "npm run build" in the project root.\n',
  );
  process.exitCode = 2;
}
