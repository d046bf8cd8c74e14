import { readFileSync } from 'node:fs';
import { stayLean } from './lean-process.ts';

const versionText = (): string => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown';
};

/** A reader that has gone (`apis deals | head`) is no fault. */
process.stdout.on('error', () => {});

/** What is still open then is not worth waiting for. */
const LINGER_MSEC = 500;

stayLean(process.argv[2]);
const { COMMANDS } = await import('./commands.ts');
const { runCli } = await import('./run-cli.ts');

process.exitCode = await runCli(COMMANDS, versionText(), process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
});
setTimeout(() => process.exit(), LINGER_MSEC).unref();
