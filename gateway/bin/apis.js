#!/usr/bin/env node
// Plain JavaScript, so that it can say what is missing on any Node version and before anything is built.
import { existsSync } from 'node:fs';

const main = new URL('../dist/cli/main.js', import.meta.url);

if (existsSync(main)) {
  await import(main.href);
} else {
  process.stderr.write(
    'apis: not built yet (gateway/dist/cli/main.js is missing). Run "npm run build" in the project root.\n',
  );
  process.exitCode = 2;
}
