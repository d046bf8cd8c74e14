import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import t from 'tap';
import { parseConfig } from '../../gateway/src/config/load.ts';
import { HOUSE_FAULT_KINDS } from '../../gateway/src/emulation/read-fault.ts';
import { ADVICE_JA } from '../src/widgets/pages/advice-ja.ts';
import { type JQueryCalls, loadEditor } from './support/editor.ts';
import {
  exampleNames,
  type Flow,
  type FlowNode,
  manifest,
  nodeTypes,
  PACKAGE_DIR,
  readJson,
  readText,
} from './support/package-files.ts';

const require = createRequire(import.meta.url);
const semver = require('semver') as { satisfies(version: string, range: string): boolean };

const LANGUAGES = ['en-US', 'ja'];
/** Config nodes, with the property by which other nodes refer to them. */
const CONFIG_TYPES: Readonly<Record<string, string>> = { 'apis-unit': 'unit', 'apis-fake-grid': 'grid' };
const flowTypes = nodeTypes.filter((type) => !Object.hasOwn(CONFIG_TYPES, type));
const isFake = (type: string): boolean => type.startsWith('apis-fake-');
/** What a package.json says of its home. */
interface Papers {
  readonly repository?: unknown;
  readonly bugs?: unknown;
  readonly scripts: { readonly prepublishOnly: string };
}
/** Definitions that have changed since they were first given away. */
const VERSIONS: Readonly<Record<string, number>> = { 'apis-dcdc': 2, 'apis-deal-negotiator': 2 };
const FLOWS = join(PACKAGE_DIR, '..', 'flows');
const COMMUNITY_FLOW = join(FLOWS, 'emulated-community.json');
const communityFlow = JSON.parse(readFileSync(COMMUNITY_FLOW, 'utf8')) as Flow;
const catalogue = (type: string, language: string): Record<string, unknown> =>
  readJson('dist', 'nodes', 'locales', language, `${type}.json`);

/** Dotted keys of a catalogue with their texts. */
const textsOf = (value: unknown, path = ''): [string, string][] =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([key, one]) => textsOf(one, path === '' ? key : `${path}.${key}`))
    : [[path, String(value)]];

/** Second spellings and second words for what has a name already: in Japanese, too, one thing has one name. */
const japaneseSlips = (text: string): readonly string[] =>
  text.match(/コンバータ(?!ー)|ドライバ(?!ー)|融通|住宅|メーター|バッテリ/g) ?? [];

t.test('the advice on faults uses the words of the nodes', async (t) => {
  t.same(japaneseSlips(Object.values(ADVICE_JA).join()), []);
  t.same(japaneseSlips('コンバータの融通'), ['コンバータ', '融通'], 'and the check sees what is not');
});

t.test('the package keeps the rules of the Node-RED scorecard (node-red.md §2)', async (t) => {
  t.equal(manifest.license, 'Apache-2.0', 'P01: it has a licence');
  t.match(manifest.name, /^@[^/]+\/node-red-dashboard-2-/, 'P04: scoped, and a name under which Dashboard finds it');
  t.ok(manifest.keywords.includes('node-red'), 'P05: the keyword under which it is listed');
  for (const version of ['4.1.15', '5.0.7']) {
    t.ok(semver.satisfies(version, manifest['node-red'].version), `P06: works with Node-RED ${version}`);
  }
  t.ok(semver.satisfies('22.9.0', manifest.engines.node), 'P07: admits the oldest Node of the present Node-RED');
  t.ok(Object.keys(manifest.dependencies).length <= 6, 'D01: at most six dependencies');
  t.notOk(Object.hasOwn(manifest.dependencies, 'agent-base'), 'D02: none that is known to do harm');
  const found = nodeTypes.map((type) => loadEditor(type).type);
  t.same(found, nodeTypes, 'N01: every file registers the one type that the manifest promises');
  t.equal(new Set(found).size, found.length, 'N01: every type once');
});

t.test('P03: no package is published before it says where it is made, and where bugs go', async (t) => {
  const folder = t.testdir({});
  for (const home of [PACKAGE_DIR, join(PACKAGE_DIR, '..', 'gateway')]) {
    const { repository, bugs, scripts } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as Papers;
    t.same([repository, bugs], [undefined, undefined], 'no address that nobody has registered');
    const [node, script = ''] = scripts.prepublishOnly.split(' ');
    t.equal(node, 'node');
    const verdict = (papers: object) => {
      writeFileSync(join(folder, 'package.json'), JSON.stringify(papers));
      return spawnSync(process.execPath, [join(home, script)], { cwd: folder, encoding: 'utf8' });
    };
    const whole = { repository: 'git+https://example.org/apis.git', bugs: { url: 'https://example.org/bugs' } };
    t.match(verdict({}), { status: 2, stderr: /names no repository/ });
    t.match(verdict({ repository: whole.repository }), { status: 2 });
    t.match(verdict(whole), { status: 0, stderr: '' });
  }
});

t.test('N02: every node that is no config node has an importable example', async (t) => {
  const used = exampleNames.flatMap((name) => readJson<Flow>('examples', name).map((node) => node.type));
  for (const type of flowTypes) t.ok(used.includes(type), type);
});

t.test('what the manifest names is built', async (t) => {
  for (const [type, path] of Object.entries(manifest['node-red'].nodes)) {
    t.equal(path, `dist/nodes/${type}.js`, 'one file per node, so that a broken one hides only itself');
    t.type((await import(join(PACKAGE_DIR, path))).default, 'function', `${type} exports its registration`);
  }
  for (const { output, component } of Object.values(manifest['node-red-dashboard-2'].widgets)) {
    const bundle = readText('resources', output);
    t.match(bundle, component, 'the bundle carries the component');
    t.notMatch(bundle, /https?:\/\/(?!www\.w3\.org)/, 'the page asks nothing of other servers');
    t.ok(bundle.length < 120_000, `the bundle stays small (${bundle.length} bytes)`);
  }
});

for (const type of nodeTypes) {
  t.test(`editor of ${type}`, async (t) => {
    const { definition, template, help, html } = loadEditor(type);
    const prefix = Object.hasOwn(CONFIG_TYPES, type) ? 'node-config-input' : 'node-input';

    t.test('every property has a field, and every field a property', async (t) => {
      const fields = [...template.matchAll(new RegExp(`id="${prefix}-([^"]+)"`, 'g'))].map(([, name]) => name);
      const properties = Object.keys(definition.defaults).filter((name) => name !== 'version');
      t.same(fields.filter((name) => name !== 'size').sort(), properties.sort());
      t.equal(definition.defaults.version?.value, VERSIONS[type] ?? 1, 'definitions are versioned');
    });

    t.test('what the runtime reads of a configuration is a property of its definition', async (t) => {
      const source = readText('src', type, 'index.ts');
      const named = [...source.matchAll(/\bconfig\.(\w+)/g)].map(([, name]) => name ?? '');
      const taken = [...source.matchAll(/\{([^{}]*)\}\s*(?::\s*\w+)?\s*(?:=\s*config\b|: \w*Def\))/g)].flatMap(
        ([, names]) => (names ?? '').split(',').map((name) => name.trim().split(':')[0] ?? ''),
      );
      const read = new Set([...named, ...taken].filter((name) => /^\w+$/.test(name)));
      const known = [...Object.keys(definition.defaults), 'id', 'type', 'z', 'credentials'];
      t.same(
        [...read].filter((name) => !known.includes(name)),
        [],
      );
      if (definition.defaults.unit !== undefined) t.ok(read.has('unit'), 'the unit is read');
    });

    t.test('registers inline with a literal type, so that tools can read it', async (t) => {
      t.match(html, new RegExp(`registerType\\('${type}', \\{`));
    });

    t.test('texts exist in every language', async (t) => {
      const english = new Map(textsOf(catalogue(type, 'en-US')));
      const used = [...template.matchAll(/data-i18n="([^"]+)"/g)].map(([, key]) => key ?? '');
      for (const key of used) t.ok(english.has(key), key);
      for (const language of LANGUAGES) {
        const texts = textsOf(catalogue(type, language));
        t.same(texts.map(([key]) => key).sort(), [...english.keys()].sort(), `${language} has the same keys`);
        t.ok(
          texts.every(([, text]) => text.trim() !== ''),
          `${language} leaves none empty`,
        );
      }
    });

    t.test('labels stay on one line in front of their fields', async (t) => {
      // 100 px of Node-RED at 14 px a letter, less the icon and its gap; a Latin letter is about half as wide.
      const isWide = (letter: string): boolean => letter >= '\u3000';
      const widthOf = (text: string): number => [...text].reduce((sum, letter) => sum + (isWide(letter) ? 1 : 0.5), 0);
      const labels = [...template.matchAll(/<label for[^>]*><i [^>]*><\/i> <span data-i18n="([^"]+)"/g)];
      t.ok(labels.length > 0);
      for (const language of LANGUAGES) {
        const texts = new Map(textsOf(catalogue(type, language)));
        const all = labels.map(([, key = '']) => texts.get(key) ?? '');
        t.same(
          all.filter((text) => widthOf(text) > 5.5),
          [],
          language,
        );
      }
    });

    t.test('a status is shorter than 20 characters (node-red.md §2)', async (t) => {
      const long = LANGUAGES.flatMap((language) =>
        textsOf(catalogue(type, language)).filter(([key, text]) => key.includes('.status.') && text.length >= 20),
      );
      t.same(long, []);
    });

    t.test('help in Japanese tells of the same properties, in the same order', async (t) => {
      const sectionsOf = (text: string): readonly string[] =>
        [...text.matchAll(/^### .+$|^ *: ([^:]+ \([^:]+\)) : /gm)].map(([, property]) => property ?? '###');
      const html = readText('dist', 'nodes', 'locales', 'ja', `${type}.html`);
      t.match(html, `data-help-name="${type}"`);
      t.strictSame(sectionsOf(html), sectionsOf(help));
      t.same(japaneseSlips(html), []);
      t.same(japaneseSlips(JSON.stringify(catalogue(type, 'ja'))), []);
    });

    t.test('help begins with one sentence and tells the details', async (t) => {
      const [first, second] = help.split('\n');
      t.match(first, /^[A-Z].*\.$/);
      t.equal(second, '', 'the first paragraph is the tooltip');
      t.match(help, '### Details');
      if ((definition.outputs ?? 0) > 0) t.match(help, '### Outputs');
      // The editor draws a property only from one line of its own, without a further colon, after an empty one.
      const lines = help.split('\n');
      const isProperty = (line: string | undefined): boolean => /^\s*: /.test(line ?? '');
      for (const [index, line] of lines.entries()) {
        if (!isProperty(line)) continue;
        t.match(line, /^\s*: [^:]+ \([^:]+\) : [^:]+$/);
        t.ok(lines[index - 1] === '' || isProperty(lines[index - 1]), `${line.trim()} begins a list`);
        t.ok(lines[index + 1] === '' || isProperty(lines[index + 1]), `${line.trim()} is one line`);
      }
    });

    if (Object.hasOwn(CONFIG_TYPES, type)) return;

    t.test('looks and labels', async (t) => {
      t.ok(existsSync(join(PACKAGE_DIR, 'dist', 'nodes', 'icons', definition.icon ?? '')), 'the icon is there');
      t.equal(definition.category, 'APIS');
      const { label, labelStyle } = loadEditor(type, { configNodes: { u: { unitId: 'E001' } } }).definition;
      const chosen = isFake(type) ? { house: 'E001' } : { unit: 'u' };
      t.equal(label.call({ name: '', ...chosen }), `${definition.paletteLabel} E001`, 'default: its unit');
      t.equal(label.call({ name: '', unit: 'none' }), definition.paletteLabel);
      t.equal(label.call({ name: 'mine', ...chosen }), 'mine');
      t.equal(labelStyle.call({ name: 'mine' }), 'node_label_italic');
      t.equal(labelStyle.call({ name: '' }), '');
      const texts = new Map(textsOf(catalogue(type, 'en-US')));
      const asNode = { _: (key: string) => texts.get(key) ?? `missing ${key}` };
      const outputs = Array.from({ length: definition.outputs ?? 0 }, (_, index) =>
        definition.outputLabels?.call(asNode, index),
      );
      const inputs = (definition.inputs ?? 0) > 0 ? [definition.inputLabels?.call(asNode)] : [];
      for (const text of [...outputs, ...inputs]) t.notMatch(text, /^(missing|undefined)/);
    });

    t.test('asks for a unit, or for an emulated network', async (t) => {
      const wanted = isFake(type) ? 'apis-fake-grid' : 'apis-unit';
      t.equal(definition.defaults[CONFIG_TYPES[wanted] ?? '']?.type, wanted);
    });
  });
}

t.test('editor of apis-unit', async (t) => {
  t.test('refuses what cannot be an id or a port, takes environment variables', async (t) => {
    const { defaults, label } = loadEditor('apis-unit').definition;
    const verdicts = (name: string, values: readonly unknown[]) =>
      values.map((value) => defaults[name]?.validate?.(value));
    t.same(verdicts('unitId', ['E001', '', `\${UNIT}`]), [true, true, true]);
    t.same(verdicts('unitId', ['E 001', 'a/b', '#', 'x'.repeat(65)]), [false, false, false, false]);
    t.same(verdicts('port', ['', undefined, '18830', 18830, `\${PORT}`]), [true, true, true, true, true]);
    t.same(verdicts('port', ['0', '65536', 'mqtt', '1.5', '-1']), [false, false, false, false, false]);
    t.equal(label.call({ name: '', unitId: 'E001' }), 'E001');
    t.equal(label.call({ name: '', unitId: '' }), 'apis-unit');
  });

  t.test('offers the units of the local gateway', async (t) => {
    const calls: JQueryCalls = [];
    const units = [{ unitId: 'E001', host: '127.0.0.1', port: 18830 }];
    loadEditor('apis-unit', { calls, units }).definition.oneditprepare?.call({});
    t.ok(calls.includes('getJSON(apis-edge/units)'));
    t.ok(calls.includes('<option>.attr("value","E001")'));
    t.ok(calls.includes('<option>.text("E001 (127.0.0.1:18830)")'));
    t.ok(calls.includes('#apis-unit-none.toggle(false)'));
  });

  t.test('offers units of the network, too, with their cluster and address', async (t) => {
    const calls: JQueryCalls = [];
    const units = [{ unitId: 'E007', host: '10.0.0.7', port: 18830, cluster: 'north' }];
    loadEditor('apis-unit', { calls, units }).definition.oneditprepare?.call({});
    t.ok(calls.includes('<option>.text("E007 (north, 10.0.0.7:18830)")'));
    t.ok(calls.some((call) => call.startsWith('#node-config-input-unitId.on("change"')));
  });

  t.test('says so when there is no gateway', async (t) => {
    const calls: JQueryCalls = [];
    loadEditor('apis-unit', { calls, units: [] }).definition.oneditprepare?.call({});
    t.ok(calls.includes('#apis-unit-none.toggle(true)'));
  });
});

t.test('editors bring nodes of version 1 up to date: they only told', async (t) => {
  const old: { version: number; drives?: boolean } = { version: 1 };
  loadEditor('apis-dcdc').definition.oneditprepare?.call(old);
  t.same(old, { version: 2, drives: false });
  const calls: JQueryCalls = [];
  const oldNegotiator = { version: 1 };
  const { oneditprepare } = loadEditor('apis-deal-negotiator', { calls }).definition;
  oneditprepare?.call(oldNegotiator);
  t.same(oldNegotiator, { version: 2 });
  t.same(calls, ['#node-input-onSilence.val("")']);
  oneditprepare?.call(oldNegotiator);
  t.equal(calls.length, 1, 'what a person has chosen since stays');
});

t.test('editor of apis-fake-grid', async (t) => {
  const { defaults, label } = loadEditor('apis-fake-grid').definition;
  t.same(
    ['', '4390', `\${PORT}`, 'x', '123456'].map((value) => defaults.port?.validate?.(value)),
    [true, true, true, false, false],
  );
  const verdicts = (name: string, values: readonly string[]) =>
    values.map((value) => defaults[name]?.validate?.(value));
  t.same(verdicts('port', ['0', '65536']), [false, false]);
  t.same(
    verdicts('houses', ['', 'E001', 'E001:92, E002 : 80.5,', `\${HOUSES}`]),
    [true, true, true, true],
    'as hostedGrid takes them',
  );
  t.same(verdicts('houses', ['E001 E002', 'E001:much', ':50', 'E001:92:3']), [false, false, false, false]);
  t.same(verdicts('lines', ['', 'line', 'star', 'E001-E002:0.11, E002-E003:0.2']), [true, true, true, true]);
  t.same(verdicts('lines', ['ring', 'E001-E002', 'E001-E002:x']), [false, false, false]);
  t.same(verdicts('ohms', ['', '0.11', '1', `\${OHMS}`, '1.2.3', '.', 'much']), [
    true,
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
  t.equal(label.call({ name: '', source: 'daemon' }), 'fake grid');
  t.equal(label.call({ name: '', source: 'hosted' }), 'fake grid hosted');
  t.equal(label.call({ name: 'mine' }), 'mine');
});

t.test('editor of apis-fake-fault offers every fault that can be let loose', async (t) => {
  const { template, definition } = loadEditor('apis-fake-fault');
  const offered = [...template.matchAll(/<option value="([^"]+)"/g)].map(([, kind]) => kind ?? '');
  t.same(offered, [...HOUSE_FAULT_KINDS, 'lineBreak']);
  const texts = ['', '{"siemens": 0.1}', '{', 'much', '7', 'null', '[]'];
  const verdicts = texts.map((value) => definition.defaults.values?.validate?.(value));
  t.same(verdicts, [true, true, false, false, false, false, false]);
});

t.test('editor of apis-fake-grid shows the fields of its source only', async (t) => {
  const shownFor = (source: string): JQueryCalls => {
    const calls: JQueryCalls = [];
    const fields = { '#node-config-input-source': source };
    loadEditor('apis-fake-grid', { calls, fields }).definition.oneditprepare?.call({});
    return calls.filter((call) => /hide|show/.test(call));
  };
  for (const source of ['daemon', 'address', 'hosted'])
    t.same(shownFor(source), ['.apis-address, .apis-hosted.hide()', `.apis-${source}.show()`]);
});

t.test('editors of fake devices offer the houses of the chosen network', async (t) => {
  const configNodes = {
    hosted: { source: 'hosted', houses: 'E001:92, E002' },
    daemon: { source: 'daemon' },
    address: { source: 'address' },
  };
  const units = [{ unitId: 'E003' }, { unitId: 'E007', cluster: 'north' }];
  const offered = (type: string, grid: string): JQueryCalls => {
    const calls: JQueryCalls = [];
    const fields = { '#node-input-grid': grid };
    loadEditor(type, { calls, fields, units, configNodes }).definition.oneditprepare?.call({});
    return calls.filter((call) => call.startsWith('<option>.attr'));
  };
  const options = (...ids: readonly string[]) => ids.map((id) => `<option>.attr("value","${id}")`);
  for (const type of nodeTypes.filter((one) => isFake(one) && one !== 'apis-fake-grid')) {
    t.same(offered(type, 'hosted'), options('E001', 'E002'), `${type}: those that it hosts`);
    t.same(offered(type, 'daemon'), options('E003'), `${type}: those of the local gateway`);
    t.same(offered(type, 'address'), [], `${type}: an emulator elsewhere is not asked`);
    t.same(offered(type, '_ADD_'), [], `${type}: none without a network`);
    const { house } = loadEditor(type).definition.defaults;
    t.same(
      ['E001', `\${HOUSE}`, 'E 001', 'a/b'].map((value) => house?.validate?.(value)),
      [true, true, false, false],
    );
  }
});

t.test('lists of the editors are as wide as their fields, so that nothing they say is cut', async (t) => {
  for (const type of nodeTypes) {
    const lists = readText('dist', 'nodes', `${type}.html`).match(/<select [^>]*>/g) ?? [];
    t.same(
      lists.filter((list) => !list.includes('style="width: 70%"')),
      [],
      type,
    );
  }
});

t.test('editor of ui-apis-community lets Dashboard size it', async (t) => {
  const calls: JQueryCalls = [];
  loadEditor('ui-apis-community', { calls }).definition.oneditprepare?.call({});
  t.match(calls[0], /^#node-input-size\.elementSizer/);
});

/** Everything that would keep a flow from starting, or surprise whoever imports it. */
function problemsOf(flow: Flow): string[] {
  const ids = new Map(flow.map((node) => [node.id, node]));
  const isConfig = (node: FlowNode): boolean => node.wires === undefined && node.type !== 'tab';
  const configIds = new Set(flow.filter(isConfig).map((node) => node.id));
  const dangling = flow.flatMap((node) =>
    (node.wires ?? [])
      .flat()
      .filter((id) => !ids.has(id))
      .map((id) => `${node.id} is wired to ${id}, which is not there`),
  );
  const references = ['unit', 'grid', 'group', 'page', 'ui', 'theme'] as const;
  const missing = flow.flatMap((node) =>
    references
      .filter((key) => typeof node[key] === 'string' && !configIds.has(node[key]))
      .map((key) => `${node.id}.${key}`),
  );
  // Node-RED takes any property that equals the id of a config node for a reference (node-red.md §1a).
  const accidental = flow.filter(isConfig).flatMap((node) =>
    Object.entries(node)
      .filter(([key, value]) => key !== 'id' && !references.some((one) => one === key) && configIds.has(String(value)))
      .map(([key]) => `${node.id}.${key} looks like a reference`),
  );
  const stray = flow
    .filter((node) => !isConfig(node) && node.type !== 'tab' && !ids.has(node.z ?? ''))
    .map((node) => node.id);
  const twice = flow.length === ids.size ? [] : ['an id is used twice'];
  return [...dangling, ...missing, ...accidental, ...stray, ...twice];
}

t.test('flows and examples are whole', async (t) => {
  for (const name of readdirSync(FLOWS)) {
    const text = readFileSync(join(FLOWS, name), 'utf8');
    t.same(problemsOf(JSON.parse(text) as Flow), [], name);
    t.doesNotThrow(() => parseConfig('flow', text, name));
  }
  for (const name of exampleNames) t.same(problemsOf(readJson<Flow>('examples', name)), [], name);
  const broken = [
    { id: 'cfg.a', type: 'x', page: 'cfg.b', name: 'cfg.a' },
    { id: 'n', type: 'y', z: 't', wires: [['m']] },
  ];
  t.equal(problemsOf([...broken, ...broken]).length, 9, 'and the check sees what is not');
});

/** What the editor of a laptop shows between palette and sidebar, of a comment in the left half. */
const MOST_LETTERS = 78;
const UNITS: Readonly<Record<string, string>> = { 'payload.rsoc': '%', 'payload.vg': 'V' };

t.test('flows and examples fit the editor of a laptop, and their numbers have units', async (t) => {
  const flows = readdirSync(FLOWS).map((name) => join(FLOWS, name));
  for (const path of [...flows, ...exampleNames.map((name) => join(PACKAGE_DIR, 'examples', name))]) {
    const nodes = JSON.parse(readFileSync(path, 'utf8')) as Flow;
    const comments = nodes.filter(({ type }) => type === 'comment').map(({ name }) => String(name));
    t.same(
      comments.filter((name) => name.split('\\n ').some((line) => line.length > MOST_LETTERS)),
      [],
      path,
    );
    for (const { type, complete, id } of nodes) {
      if (type !== 'debug') continue;
      const [asked] = Object.entries(UNITS).filter(([property]) => String(complete).includes(property));
      if (asked !== undefined)
        t.equal(complete, `$formatNumber(${asked[0]}, '0.0') & ' ${asked[1]}'`, `${path}: ${id}`);
    }
  }
});

t.test('emulated-community.json shows an integrator how everything is used', async (t) => {
  const has = (type: string): number => communityFlow.filter((node) => node.type === type).length;
  t.same(
    communityFlow
      .filter((node) => node.type === 'apis-unit')
      .map(({ id, unitId, host, port }) => ({ id, unitId, host, port })),
    ['E001', 'E002', 'E003', 'E004'].map((unitId) => ({ id: `cfg.unit.${unitId}`, unitId, host: '', port: '' })),
    'four houses, found by their ids',
  );
  for (const type of flowTypes.filter((one) => !isFake(one))) t.ok(has(type) > 0, type);
  t.ok(has('comment') >= 4);
  const page = communityFlow.find((node) => node.type === 'ui-page');
  t.match(page, { path: '/community', order: 1 });
  t.match(
    communityFlow.find((node) => node.type === 'ui-base'),
    { path: '/dashboard' },
  );
  const modes = communityFlow.filter((node) => node.type === 'inject').map((node) => node.payload);
  t.same(modes, ['run', 'soft-stop', 'force-stop', 'emergency-stop']);
  t.doesNotThrow(() => parseConfig('flow', readFileSync(COMMUNITY_FLOW, 'utf8'), 'emulated-community.json'));
});

t.test('hardware profiles', async (t) => {
  const folder = join(PACKAGE_DIR, '..', 'hw-profiles');
  const names = readdirSync(folder).filter((name) => name.endsWith('.json') && name !== 'profile.schema.json');
  for (const name of names) {
    const { value, warnings } = parseConfig('profile', readFileSync(join(folder, name), 'utf8'), name);
    t.equal(`${value.id}.json`, name, `${name} is named by its id`);
    t.same(warnings, [], `${name} has no warnings`);
    t.match(readFileSync(join(folder, 'README.md'), 'utf8'), `\`${name}\``, `${name} is listed`);
  }
  t.match(JSON.parse(readFileSync(join(folder, 'profile.schema.json'), 'utf8')), { $id: 'profile.schema.json' });
});
