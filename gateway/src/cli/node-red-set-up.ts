import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeAtomically } from '../adapters/files/atomic-file.ts';
import { readIfThere } from '../adapters/files/read-optional.ts';
import { ConfigError } from '../domain/errors.ts';

const require = createRequire(import.meta.url);
const NODES_PACKAGE = '@apis-edge/node-red-dashboard-2-apis';

export interface NodeRedSettings {
  readonly host: string;
  readonly port: number;
  /** Packages of nodes to load. */
  readonly nodesDir: readonly string[];
}

/** The login of editor and dashboard, beside their settings. */
export const loginFile = (userDir: string): string => join(userDir, 'login.json');

/** Directory of an installed package; undefined when it is not there. */
function packageDirectory(name: string): string | undefined {
  try {
    return dirname(require.resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}

export const ownNodes = (): readonly string[] => [packageDirectory(NODES_PACKAGE)].filter((path) => path !== undefined);

/** Node-RED's start script. Throws ConfigError when it is not installed. */
export function nodeRedScript(): string {
  const directory = packageDirectory('node-red');
  if (directory !== undefined) return join(directory, 'red.js');
  const message = 'is not installed; install it with "npm ci", or run without it: --no-node-red';
  throw new ConfigError([{ file: 'node-red', path: '', message }]);
}

/** Settings for a site (spec/node-red.md §1i): loopback, no telemetry, nothing installed from the editor, no shell. */
const settingsOf = ({ host, port, nodesDir }: NodeRedSettings) => ({
  uiHost: host,
  uiPort: port,
  flowFile: 'flows.json',
  flowFilePretty: true,
  nodesDir,
  nodesExcludes: ['90-exec.js'],
  telemetry: { enabled: false, updateNotification: false },
  externalModules: {
    autoInstall: false,
    palette: { allowInstall: false, allowUpload: false },
    modules: { allowInstall: false },
  },
  functionExternalModules: false,
  functionTimeout: 5,
  globalFunctionTimeout: 5,
  diagnostics: { enabled: true, ui: true },
  runtimeState: { enabled: false, ui: false },
  contextStorage: {
    default: { module: 'memory' },
    // Every flush wears the card.
    file: { module: 'localfilesystem', config: { flushInterval: 30 } },
  },
  logging: { console: { level: 'warn', metrics: false, audit: false } },
  // Whoever opens this editor looks for these; all others follow as usual.
  paletteCategories: ['APIS', 'dashboard_2'],
  editorTheme: {
    page: { title: 'APIS Edge' },
    header: { title: 'APIS Edge' },
    // Off by default; said aloud, Node-RED warns of it.
    projects: {},
    tours: false,
    logout: { redirect: '/logout' },
  },
});

/** An empty `flows_cred.json` as Node-RED encrypts it; without one it warns at the very first start. */
function noCredentials(secret: string): string {
  const vector = randomBytes(16);
  const cipher = createCipheriv('aes-256-ctr', createHash('sha256').update(secret).digest(), vector);
  return JSON.stringify({ $: vector.toString('hex') + cipher.update('{}', 'utf8', 'base64') + cipher.final('base64') });
}

/** A module beside this one, compiled or not. */
const beside = (name: string): URL => new URL(`./${name}${extname(import.meta.url)}`, import.meta.url);

/**
 * Writes `settings.cjs` into Node-RED's directory, with a secret for credentials that is made once and kept, and the
 * door that asks for the login beside it.
 */
export async function writeSettings(userDir: string, settings: NodeRedSettings): Promise<string> {
  await mkdir(userDir, { recursive: true });
  const secretFile = join(userDir, '.credential-secret');
  const secret = await readIfThere(secretFile);
  if (secret === undefined) {
    const made = randomBytes(32).toString('hex');
    await writeAtomically(secretFile, made);
    await chmod(secretFile, 0o600);
    const credentialsFile = join(userDir, 'flows_cred.json');
    if ((await readIfThere(credentialsFile)) === undefined) await writeAtomically(credentialsFile, noCredentials(made));
  }
  const path = join(userDir, 'settings.cjs');
  const text = [
    '// Written anew at every start: changes made here are lost.',
    `module.exports = ${JSON.stringify(settingsOf(settings), undefined, 2)};`,
    "module.exports.credentialSecret = require('node:fs').readFileSync(`$" +
      "{__dirname}/.credential-secret`, 'utf8');",
    `const { openDoor } = require(${JSON.stringify(fileURLToPath(beside('login-door')))});`,
    `Object.assign(module.exports, openDoor(${JSON.stringify(loginFile(userDir))}, ${settings.port}));`,
    '',
  ].join('\n');
  await writeAtomically(path, text);
  return path;
}

export interface NodeRedStart {
  readonly script: string;
  readonly userDir: string;
  readonly settingsFile: string;
  /** Where it listens. */
  readonly port: number;
  readonly isSafe: boolean;
}

/** Arguments that start Node-RED with little memory, its flow, the watch on its supervisor and the guard of its port. */
export function nodeRedArguments({ script, userDir, settingsFile, port, isSafe }: NodeRedStart): readonly string[] {
  const memory = ['--max-old-space-size=192', '--max-semi-space-size=2'];
  const preloaded = [beside('watch-parent').href, `${beside('guard-node-red').href}?port=${port}`];
  const imports = preloaded.flatMap((module) => ['--import', module]);
  const safe = isSafe ? ['--safe'] : [];
  return [...memory, ...imports, script, '--userDir', userDir, '--settings', settingsFile, ...safe];
}
