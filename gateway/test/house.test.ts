import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ROOMS } from './house/rooms.ts';
import {
  importBreaches,
  inexactVersions,
  localTraces,
  nodeRedBreaches,
  purityBreaches,
  roomOf,
} from './house/rules.ts';
import { importsOf, onlyCode, projectRoot, readTree, type Source } from './house/scan.ts';

const source = (path: string, text: string): Source => ({ path, text });
const market = (text: string): Source => source('gateway/src/market/user.ts', text);

t.test('the rules: what they see and what they leave alone', async (t) => {
  t.test('imports are found in all their forms, with their lines', async (t) => {
    const text = [
      "import a from './a.ts';",
      "import type { B } from '../domain/b.ts';",
      'import {\n  c,\n} from "c";',
      "export * from './d.ts';",
      "import './e.ts';",
      "const f = await import('f');",
      "// import g from './g.ts'",
      "/* from './h.ts' */ const i = 'j';",
    ].join('\n');
    t.same(
      importsOf(text).map(({ line, what }) => `${line} ${what}`),
      ['1 ./a.ts', '2 ../domain/b.ts', '5 c', '6 ./d.ts', '7 ./e.ts', '8 f'],
    );
  });

  t.test('comments and strings are no code, templates are', async (t) => {
    t.equal(onlyCode("a('b'); // c").trimEnd(), 'a(   );');
    t.equal(onlyCode("x = 'it\\'s'; y"), 'x =        ; y');
    t.equal(onlyCode(`\`\${Date.now()}\``), `\`\${Date.now()}\``);
    t.equal(onlyCode('/* a\nb */c'), '    \n    c');
  });

  t.test('a room is the folder below gateway/src', async (t) => {
    t.equal(roomOf('gateway/src/grid-master/a/b.ts'), 'grid-master');
    t.equal(roomOf('gateway/src/stray.ts'), undefined);
  });

  t.test('an import that the table does not list is refused with file, line and import', async (t) => {
    t.same(importBreaches(market("import x from '../ports/clock.ts';\nimport y from './z.ts';")), []);
    t.same(importBreaches(market("\nimport x from '../cluster/x.ts';")), [
      "gateway/src/market/user.ts:2: market may not import '../cluster/x.ts'",
    ]);
    t.match(importBreaches(market("import fs from 'node:fs';")), [/market may not import 'node:fs'/]);
    t.match(importBreaches(market("import m from 'mqtt';")), [/market may not import 'mqtt'/]);
    t.match(importBreaches(market("import m from '../../scripts/run.js';")), [/may not import/]);
    t.same(importBreaches(source('gateway/src/adapters/a.ts', "import fs from 'node:fs/promises';")), []);
    t.same(importBreaches(source('gateway/src/config/a.ts', "import * as v from 'valibot';")), []);
  });

  t.test('a file outside every room is refused', async (t) => {
    t.match(importBreaches(source('gateway/src/stray.ts', '')), [/lies in no room/]);
    t.match(importBreaches(source('gateway/src/attic/x.ts', '')), [/lies in no room/]);
    t.match(importBreaches(source('gateway/src/constructor/x.ts', '')), [/lies in no room/]);
  });

  const impure = [
    'setTimeout(f, 1)',
    'setInterval (f, 1)',
    'Date.now()',
    'new Date()',
    'new Date( )',
    'const d = new Date;',
    'const s = Date();',
    'performance.now()',
    'Math.random()',
    'crypto.randomUUID()',
    'process.env.X',
    'console.log(1)',
    'await fetch(url)',
    'globalThis.x',
    `const s = \`\${Date.now()}\``,
  ];
  for (const code of impure) {
    t.test(`the core may not use ${code}`, async (t) => t.equal(purityBreaches(market(code)).length, 1));
  }

  const pure = [
    'new Date(at)',
    'Date.UTC(2020, 1)',
    'clock.setTimeout(f)',
    'type A = { date: Date }',
    "'process.env'",
    '// Date.now()',
    'this.process.start()',
    'Math.max(1, 2)',
  ];
  for (const code of pure) {
    t.test(`the core may use ${code}`, async (t) => t.same(purityBreaches(market(code)), []));
  }

  t.test('outside the core the same is fine', async (t) => {
    t.same(purityBreaches(source('gateway/src/adapters/a.ts', 'Date.now()')), []);
  });

  t.test('Node-RED nodes import the client, the domain and their own files only', async (t) => {
    const node = (text: string): string[] => nodeRedBreaches(source('node-red-nodes/src/battery/index.ts', text));
    t.same(node("import { c } from '@apis-edge/gateway/client'; import '../shared/x.ts'"), []);
    t.match(node("import x from '@apis-edge/gateway/unit';"), [/index\.ts:1: .*gateway\/unit/]);
    t.match(node("import x from '../../../gateway/src/unit/unit.ts';"), [/may not import/]);
    t.match(node("import x from 'mqtt';"), [/may not import 'mqtt'/]);
    const files = "import { join } from 'node:path';";
    t.same(node(files), []);
    t.match(nodeRedBreaches(source('node-red-nodes/src/widgets/plot.ts', files)), [/may not import 'node:path'/]);
    t.same(node(`<template><p :title="from 'a' to">{{ b }}</p></template>`), [], 'markup imports nothing');
  });

  t.test('a version range is refused', async (t) => {
    const manifest = { dependencies: { a: '^1.0.0', b: '1.2.3' }, devDependencies: { c: 'latest', d: '2.0.0-beta.1' } };
    t.same(inexactVersions('p', manifest), [
      'p: a has the version "^1.0.0", expected an exact one',
      'p: c has the version "latest", expected an exact one',
    ]);
  });

  t.test('traces of a machine are found, look-alikes are not', async (t) => {
    const traces = (text: string): number => localTraces(source('f', text)).length;
    // Put together here, or this file would be found itself.
    t.equal(traces(['', 'home', 'pi', 'x'].join('/')), 1);
    t.equal(traces(['https:/', ['registry', 'npmjs', 'org'].join('.'), 'x'].join('/')), 1);
    t.equal(traces(`"resolved": "${'https'}://host/x.tgz"`), 1);
    t.equal(traces('"resolved": "gateway"'), 0);
    t.equal(traces('https://example.org/home/page, src/work/x, ./root/x'), 0);
  });
});

const gatewaySources = readTree('gateway/src', /\.ts$/);

t.test('architecture §2: every room imports only what the table allows', async (t) => {
  t.ok(gatewaySources.length > 0, 'there are sources');
  t.same(gatewaySources.flatMap(importBreaches), []);
});

t.test('architecture §2: the table speaks only of rooms that it knows', async (t) => {
  const named = Object.values(ROOMS).flatMap(({ rooms }) => rooms);
  t.same(
    named.filter((room) => !Object.hasOwn(ROOMS, room)),
    [],
  );
});

t.test('architecture §2: the core reaches time, chance and the outside only through ports', async (t) => {
  t.same(gatewaySources.flatMap(purityBreaches), []);
});

t.test('node-red-nodes: only the public parts of the gateway are imported', async (t) => {
  t.same(readTree('node-red-nodes/src', /\.(?:ts|js|vue)$/).flatMap(nodeRedBreaches), []);
});

t.test('dependencies have exact versions', async (t) => {
  for (const path of ['package.json', 'gateway/package.json', 'node-red-nodes/package.json', 'registry/package.json']) {
    const manifest: Record<string, unknown> = JSON.parse(readFileSync(join(projectRoot, path), 'utf8'));
    t.same(inexactVersions(path, manifest), []);
  }
});

// npm leaves out what the registry at hand does not serve, and then `npm ci` refuses the lock file everywhere.
t.test('the lock file lists the optional packages of every platform', async (t) => {
  const lock: { packages: Record<string, { optionalDependencies?: Record<string, string> }> } = JSON.parse(
    readFileSync(join(projectRoot, 'package-lock.json'), 'utf8'),
  );
  const paths = Object.keys(lock.packages);
  const optional = Object.values(lock.packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
  t.ok(optional.length > 0, 'there are some');
  t.same(
    optional.filter((name) => !paths.some((path) => path.endsWith(`node_modules/${name}`))),
    [],
  );
});

const hasGit = existsSync(join(projectRoot, '.git'));
const committed = hasGit
  ? execFileSync('git', ['ls-files', '-z'], { cwd: projectRoot, encoding: 'utf8' }).split('\0').filter(Boolean)
  : [];

const TOP_LEVEL = ['gateway', 'node-red-nodes', 'registry', 'flows', 'hw-profiles'];
const TOP_FILES =
  /^(?:package(?:-lock)?\.json|tsconfig(?:\.base)?\.json|biome\.json|README\.md|LICENSE|CHANGELOG\.md|\..+)$/;

t.test('the top level holds what the architecture lists', { skip: !hasGit && 'needs a git checkout' }, async (t) => {
  const top = new Set(committed.map((path) => path.split('/')[0] ?? ''));
  t.same(
    [...top].filter((name) => !TOP_LEVEL.includes(name) && !TOP_FILES.test(name)),
    [],
  );
});

const MAX_TEXT_BYTES = 4_000_000;

const readCommitted = (path: string): Source[] => {
  const file = join(projectRoot, path);
  if (!existsSync(file)) return [];
  const bytes = readFileSync(file);
  const isText = bytes.length < MAX_TEXT_BYTES && !bytes.includes(0);
  return isText ? [{ path, text: bytes.toString('utf8') }] : [];
};

t.test('no committed file names a machine or a registry', { skip: !hasGit && 'needs a git checkout' }, async (t) => {
  t.same(committed.flatMap(readCommitted).flatMap(localTraces), []);
});
