import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { check } from '../src/cli/check.ts';
import { fileReader } from '../src/cli/file-reader.ts';
import { authorizationCandidates } from '../src/config/authorization-range.ts';
import { demoHwConfig, demoPolicy, demoScenario, demoUnitConfig } from '../src/config/defaults.ts';
import { detectKind } from '../src/config/detect-kind.ts';
import type { CipherSeed } from '../src/config/encrypted-keys.ts';
import { common, gaps } from '../src/config/intervals.ts';
import { CONFIG_KINDS, type ConfigKind, type ConfigValues, type Parsed, parseConfig } from '../src/config/load.ts';
import { type FileReader, loadUnit } from '../src/config/load-unit.ts';
import { clockText, partsOfDay, windowTimes } from '../src/config/time-of-day.ts';
import { ConfigError, describeProblem } from '../src/domain/errors.ts';
import {
  HW_CONFIG_KEYS,
  type KeyCase,
  POLICY_KEYS,
  PROFILE_KEYS,
  SCENARIO_KEYS,
  UNIT_CONFIG_KEYS,
} from './config/keys.ts';
import {
  aFlow,
  aHwConfig,
  aPolicy,
  aProfile,
  aScenario,
  aTopology,
  at,
  aUnitConfig,
  aWindow,
  changed,
  type Data,
  without,
} from './config/samples.ts';
import { projectRoot } from './house/scan.ts';

const pretty = (data: unknown): string => JSON.stringify(data, null, 2);

/** Parses data or text as a file named `f`. */
const parse = <K extends ConfigKind>(kind: K, data: unknown): Parsed<ConfigValues[K]> =>
  parseConfig(kind, typeof data === 'string' ? data : pretty(data), 'f');

/** The lines a user would see, or none when the file is taken. */
function problemsOf(kind: ConfigKind, data: unknown): string[] {
  try {
    parse(kind, data);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(describeProblem);
  }
}

const warningsOf = (kind: ConfigKind, data: unknown): string[] => parse(kind, data).warnings.map(describeProblem);

const samples = { config: aUnitConfig, hwConfig: aHwConfig, policy: aPolicy, scenario: aScenario, profile: aProfile };

t.test(
  'keys: each refuses what is not its type or range, and fills in its default (market W10–W12, W24)',
  async (t) => {
    const tables: [keyof typeof samples, readonly KeyCase[]][] = [
      ['policy', POLICY_KEYS],
      ['hwConfig', HW_CONFIG_KEYS],
      ['config', UNIT_CONFIG_KEYS],
      ['scenario', SCENARIO_KEYS],
      ['profile', PROFILE_KEYS],
    ];
    for (const [kind, cases] of tables) {
      for (const { path, bad, good, absent } of cases) {
        t.test(`${kind} ${path}`, async (t) => {
          const sample = samples[kind]();
          for (const value of bad) {
            const problems = problemsOf(kind, changed(sample, path, value));
            t.ok(problems.length > 0, `${JSON.stringify(value)} is refused`);
            t.ok(
              problems.every((line) => line.includes(path.split('.')[0] ?? '') && line.includes('expected')),
              `${JSON.stringify(value)}: the message says where and what`,
            );
          }
          for (const value of good)
            t.same(problemsOf(kind, changed(sample, path, value)), [], `${JSON.stringify(value)} is taken`);
          const missing = without(sample, path);
          if (absent === 'required')
            t.match(problemsOf(kind, missing), [/expected .*, got (nothing|neither)/], 'required');
          else if (absent === 'optional') t.equal(at(parse(kind, missing).value, path), undefined, 'stays absent');
          else t.same(at(parse(kind, missing).value, path), absent.means, 'default');
        });
      }
    }

    t.test('the tables above know every key of a policy, hardware config and unit config', async (t) => {
      const leaves = (value: unknown, path = ''): string[] =>
        typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0
          ? Object.entries(value).flatMap(([key, inner]) => leaves(inner, path === '' ? key : `${path}.${key}`))
          : [path];
      const known = (cases: readonly KeyCase[]) => new Set(cases.map(({ path }) => path));
      const unknown = (value: unknown, cases: readonly KeyCase[]) =>
        leaves(value).filter((path) => !known(cases).has(path));
      t.same(unknown(parse('policy', aPolicy()).value, POLICY_KEYS), []);
      t.same(unknown(parse('hwConfig', aHwConfig()).value, HW_CONFIG_KEYS), []);
      t.same(unknown(parse('config', aUnitConfig()).value, UNIT_CONFIG_KEYS), []);
    });
  },
);

t.test(
  'problems: all at once, each with file, line, path, what was expected and what was found (INV-11)',
  async (t) => {
    t.test('one line each, in the agreed form', async (t) => {
      const text = [
        '{',
        '  // comment',
        '  "gridMaster": {',
        '    "deal": { "resetLimit": "three" },',
        '    "quorum": 7',
        '  }',
        '}',
      ];
      const problems = problemsOf('policy', text.join('\n'));
      t.ok(problems.includes('f:4 gridMaster.deal.resetLimit: expected an integer from 0 to 1000, got "three"'));
      t.ok(problems.includes('f:5 gridMaster.quorum: expected "majority" or "any", got 7'));
      t.ok(problems.includes('f:1 operationGridVoltageV: expected a number > 0 and ≤ 2000, got nothing'));
      t.ok(
        problems.includes(
          'f:4 gridMaster.deal.forceStopCondition.chargeUnitUpperLimitRsoc: expected a number from 0 to 100, got nothing',
        ),
      );
    });

    t.test('the line is that of the value, for every key, whatever the line ends', async (t) => {
      for (const lineEnd of ['\n', '\r\n']) {
        for (const { path } of [...POLICY_KEYS, ...HW_CONFIG_KEYS]) {
          const kind = HW_CONFIG_KEYS.some((entry) => entry.path === path) ? 'hwConfig' : 'policy';
          const text = pretty(changed(samples[kind](), path, '?bad?')).replaceAll('\n', lineEnd);
          const line = text.split('\n').findIndex((content) => content.includes('?bad?')) + 1;
          t.match(problemsOf(kind, text)[0], `f:${line} ${path}: `, path);
        }
      }
    });

    t.test('unknown keys are problems, all of them, also names that every object has', async (t) => {
      const text = pretty(aHwConfig()).replace('{', '{ "typo": 1, "constructor": 2, "toString": 3, "__proto__": {},');
      const problems = problemsOf('hwConfig', text);
      t.equal(problems.length, 4);
      t.match(problems[0], /f:1 typo: unknown key, expected one of refreshingPeriodMsec, batteryNominalCapacityWh/);
      t.match(problems.join(), /constructor.*toString.*__proto__/);
      t.match(problemsOf('policy', changed(aPolicy(), 'gridMaster.deal.restLimit', 3)), [
        /deal\.restLimit: unknown key/,
      ]);
    });

    t.test('keys with dots and blanks are quoted in paths', async (t) => {
      t.match(problemsOf('hwConfig', { ...aHwConfig(), 'a.b c': 1 }), [/^f:\d+ "a\.b c": /]);
    });

    t.test('long values are cut, objects and lists are named, secrets are never shown', async (t) => {
      t.match(problemsOf('config', changed(aUnitConfig(), 'unitId', ' x'.repeat(500)))[0], /got ".{50,62}…$/);
      t.match(problemsOf('hwConfig', changed(aHwConfig(), 'droopRatio', [1]))[0], /got a list$/);
      t.match(problemsOf('hwConfig', changed(aHwConfig(), 'droopRatio', {}))[0], /got an object$/);
      const [line = ''] = problemsOf('config', changed(aUnitConfig(), 'controlCenter.password', 987654));
      t.match(line, /controlCenter\.password: expected a text/);
      t.notMatch(line, /987654/);
    });

    t.test('numbers beyond what a number can hold are refused', async (t) => {
      t.match(problemsOf('hwConfig', pretty(aHwConfig()).replace('4800', '1e999')), [
        /batteryNominalCapacityWh: expected/,
      ]);
      t.match(problemsOf('policy', pretty(aPolicy()).replace('"resetLimit": 3', '"resetLimit": 1e300')), [
        /resetLimit/,
      ]);
    });

    t.test('relations are judged once every key is right for itself', async (t) => {
      const crossed = changed(aPolicy(), 'operationGridVoltageVRange', { min: 400, max: 380 });
      t.match(problemsOf('policy', crossed)[0], /expected min < max/);
      t.notMatch(problemsOf('policy', changed(crossed, 'heloPeriodMsec', 'x')).join(), /min < max/);
    });
  },
);

t.test('JSON: comments are allowed, broken text is explained (market §0)', async (t) => {
  t.test('comments, byte order mark, "#" and empty keys mean nothing', async (t) => {
    const text = `\uFEFF{ // one\n /* two */ "#": 1, "#": "end", "": [], ${pretty(aHwConfig()).slice(1)}`;
    t.same(parse('hwConfig', text).value, parse('hwConfig', aHwConfig()).value);
    t.same(parse('hwConfig', text).warnings, []);
  });

  t.test('of a repeated key the last value counts, with a warning at its line', async (t) => {
    const text = pretty(aHwConfig()).replace('{', '{\n"droopRatio": 0.5,');
    t.equal(parse('hwConfig', text).value.droopRatio, 0.039);
    t.same(warningsOf('hwConfig', text), ['f:6 droopRatio: repeated key, the last value counts']);
  });

  const broken: [string, RegExp][] = [
    ['', /^f:1: expected JSON, got an empty file|^f:1: not valid JSON/],
    ['\n\n{"a": 1\n"b": 2}', /^f:4: not valid JSON: comma expected at "\\"b/],
    ['{"a": 1,}', /^f:1: not valid JSON: property name expected/],
    ['{"a": }', /value expected/],
    ['{"a": "x\n}', /unexpected end of string/],
    ['{} {}', /end of file expected/],
    ['{', /close brace expected at the end of the line/],
    ['nonsense', /invalid symbol/],
  ];
  for (const [text, message] of broken) {
    t.test(`refused: ${JSON.stringify(text)}`, async (t) => {
      for (const kind of CONFIG_KINDS) t.match(problemsOf(kind, text)[0], message);
    });
  }

  t.test('a file of brackets, or a far too long one, is refused before it can hurt', async (t) => {
    t.match(problemsOf('policy', '['.repeat(100000)), [/at most 64 levels/]);
    t.match(problemsOf('policy', '{"a":'.repeat(100000)), [/at most 64 levels/]);
    t.match(problemsOf('policy', ' '.repeat(4 * 1024 * 1024 + 1)), [/at most 4194304 characters/]);
    t.same(
      problemsOf(
        'config',
        changed(aUnitConfig(), 'device', { type: 'x', deep: JSON.parse(`${'['.repeat(60)}${']'.repeat(60)}`) }),
      ),
      [],
    );
    t.equal(problemsOf('policy', `[${', '.repeat(50)}]`).length, 10, 'a broken file does not flood the screen');
  });

  t.test('something else than an object is refused', async (t) => {
    for (const kind of ['config', 'hwConfig', 'policy', 'scenario', 'profile'] as const) {
      t.match(problemsOf(kind, '[]'), [/^f:1: expected an object, got a list$/]);
      t.match(problemsOf(kind, 'null'), [/^f:1: expected an object, got null$/]);
    }
    t.match(problemsOf('flow', '{}'), [/expected a list of nodes, got an object/]);
  });
});

t.test('policy: what must hold among its keys (control §8.4)', async (t) => {
  const policy = (changes: Record<string, unknown>): Data =>
    Object.entries(changes).reduce((data, [path, value]) => changed(data, path, value), aPolicy());

  const refused: [string, Record<string, unknown>, RegExp][] = [
    [
      'min ≥ max',
      { operationGridVoltageVRange: { min: 380, max: 380 } },
      /VRange: expected min < max, got 380 and 380/,
    ],
    [
      'no authorization voltage',
      { gridVoltageSeparationV: 25, gridVoltageAllowanceV: 4, operationGridVoltageV: 360 },
      /SeparationV: expected room/,
    ],
    [
      'the only authorization voltage is the operating one',
      { gridVoltageSeparationV: 20, operationGridVoltageV: 360 },
      /SeparationV: expected room/,
    ],
    [
      'operating voltage below the activation threshold',
      { operationGridVoltageV: 319 },
      /VoltageV: expected min \+ 2.*\(320 to 380\), got 319/,
    ],
    ['operating voltage above the range', { operationGridVoltageV: 381 }, /operationGridVoltageV: expected/],
    [
      'allowance ≥ separation: authorization proves nothing (INV-1)',
      { gridVoltageAllowanceV: 10 },
      /AllowanceV: expected less than/,
    ],
    [
      'no whole unit within the maximum',
      { 'mediator.deal.amountUnitWh': 60 },
      /amountMinWh: expected at most .* \(0 Wh/,
    ],
    ['minimum above the largest deal', { 'mediator.deal.amountMinWh': 51 }, /amountMinWh: expected at most .* \(50 Wh/],
    [
      'force-stop limits crossed',
      { 'gridMaster.deal.forceStopCondition.dischargeUnitLowerLimitRsoc': 95 },
      /forceStopCondition: expected discharge/,
    ],
    ['bus limit below one deal', { 'safety.sumOfDealGridCurrentMaxA': 0.5 }, /MaxA: expected at least one deal/],
    ['fixed without an id', { 'gridMaster.gridMasterSelection.strategy': 'fixed' }, /fixedUnitId: expected a unit id/],
    [
      'fixed to a stranger',
      { 'gridMaster.gridMasterSelection': { strategy: 'fixed', fixedUnitId: 'E9' } },
      /fixedUnitId: .* got "E9"/,
    ],
    ['beacons rarer than "alive"', { 'gridMaster.heartbeatMsec': 1000 }, /heartbeatMsec: expected less than 1000/],
    [
      'beacons too rare for the lease',
      { 'gridMaster.leaseMsec': 900 },
      /heartbeatMsec: expected at most half of leaseMsec/,
    ],
    ['a lease longer than the permits', { 'gridMaster.leaseMsec': 5000 }, /leaseMsec: expected less than permitMsec/],
  ];
  for (const [title, changes, message] of refused) {
    t.test(`refused: ${title}`, async (t) => t.match(problemsOf('policy', policy(changes)), [message]));
  }

  const warned: [string, Record<string, unknown>, RegExp][] = [
    ['UVLO mask swallows the start band', { gridUvloMaskV: 20 }, /gridUvloMaskV: expected less than 2/],
    [
      'nothing left to optimize',
      { gridVoltageDropAllowanceV: 41, 'gridMaster.gridVoltageOptimization.enabled': true },
      /DropAllowanceV: leaves no voltage/,
    ],
    [
      'negotiation outlasts house keeping (W22)',
      { 'mediator.negotiationTimeoutMsec': 60000 },
      /negotiationTimeoutMsec: expected less/,
    ],
    [
      'drift above the global allowance',
      { 'gridMaster.currentCompensation.driftAllowanceA': 0.2 },
      /driftAllowanceA: expected at most/,
    ],
    ['large unit outside the cluster', { largeCapacityUnitIds: ['E001', 'E9'] }, /largeCapacityUnitIds: .*got "E9"/],
    [
      'unused fixedUnitId outside the cluster',
      { 'gridMaster.gridMasterSelection.fixedUnitId': 'Exxx' },
      /"Exxx" \(unused/,
    ],
    [
      'collection outlasts its period',
      { 'gridMaster.dataCollectionTimeoutMsec': 6000 },
      /dataCollectionTimeoutMsec: expected at most/,
    ],
    [
      'driver calls outlast the reply limit',
      { 'controller.requestTimeoutMsec': 10000 },
      /requestTimeoutMsec: .* less than 30000/,
    ],
  ];
  for (const [title, changes, message] of warned) {
    t.test(`warned: ${title}`, async (t) => t.match(warningsOf('policy', policy(changes)), [message]));
  }

  t.test('limits themselves are allowed', async (t) => {
    for (const changes of [
      { operationGridVoltageV: 320 },
      { operationGridVoltageV: 380 },
      { gridVoltageAllowanceV: 9.99, gridUvloMaskV: 19.99 },
      { 'gridMaster.heartbeatMsec': 999, 'gridMaster.leaseMsec': 1998 },
      { 'safety.sumOfDealGridCurrentMaxA': 1 },
      { 'gridMaster.gridMasterSelection': { strategy: 'fixed', fixedUnitId: 'E003' } },
      { gridVoltageDropAllowanceV: 41 },
    ]) {
      t.same(problemsOf('policy', policy(changes)), []);
      t.same(warningsOf('policy', policy(changes)), []);
    }
  });

  t.test('branches: complete, each member exactly once', async (t) => {
    const TOPOLOGY = 'safety.gridTopologyBasedEvaluation';
    const topology = (path: string, value: unknown) =>
      problemsOf(
        'policy',
        changed(
          changed(without(aPolicy(), 'safety.sumOfDealGridCurrentMaxA'), TOPOLOGY, aTopology()),
          `${TOPOLOGY}.${path}`,
          value,
        ),
      );
    t.same(topology('enabled', true), [], 'complete, and no limit for the sum needed');
    t.match(topology('enabled', false), [/sumOfDealGridCurrentMaxA: expected a number > 0/]);
    t.match(topology('branchIds', []), [/at least one of branchIds/]);
    t.match(topology('branchIds', ['west', 'constructor']), [
      /branchCurrentCapacityA of branch "constructor"/,
      /branchAssociation of branch "constructor"/,
    ]);
    t.match(topology('branchCurrentCapacityA', {}), [/branchCurrentCapacityA of branch "west", got nothing/]);
    t.match(topology('branchAssociation.west.forwardUnitIds', []), [
      /E001 exactly once in branch "west", got it 0 times/,
    ]);
    t.match(topology('branchAssociation.west.backwardUnitIds', ['E001', 'E002', 'E003']), [
      /E001 exactly once .* 2 times/,
    ]);
    t.match(topology('branchAssociation.west.forwardUnitIds', ['E001', 'E9']), [/in branch "west", got "E9"/]);
  });

  t.test('the authorization voltages are those of control §1.9.8', async (t) => {
    const { value } = parse('policy', aPolicy());
    t.same(authorizationCandidates(value), [330, 340, 360, 370]);
    t.same(authorizationCandidates(value, 345), [330, 340, 350, 360, 370]);
    t.equal(authorizationCandidates({ ...value, gridVoltageSeparationV: 1e-9 }).length <= 1001, true);
  });
});

t.test('hardware and unit config: what must hold among their keys', async (t) => {
  t.test('hardware: ranges must not be empty; idle and full current should lie within', async (t) => {
    for (const meter of ['tmp', 'vg', 'vb', 'ig', 'ib']) {
      const path = `safety.range.dcdc.meter.${meter}`;
      t.match(problemsOf('hwConfig', changed(aHwConfig(), path, { min: 1, max: 1 })), [`f:`], meter);
      t.match(
        problemsOf('hwConfig', changed(aHwConfig(), path, { min: 1, max: 1 }))[0],
        /expected min < max, got 1 and 1/,
      );
    }
    t.match(warningsOf('hwConfig', changed(aHwConfig(), 'safety.range.dcdc.meter.vg.min', 1)), [/0 V of an idle bus/]);
    t.match(warningsOf('hwConfig', changed(aHwConfig(), 'safety.range.dcdc.meter.vg', { min: -9, max: -1 })), [
      /idle bus/,
    ]);
    t.match(warningsOf('hwConfig', changed(aHwConfig(), 'gridCurrentCapacityA', 3)), [/±gridCurrentCapacityA \(3\)/]);
    t.match(warningsOf('hwConfig', changed(aHwConfig(), 'safety.range.dcdc.meter.ig.min', -1)), [/meter\.ig: /]);
  });

  t.test('unit config: each system needs its connections, a device replaces them', async (t) => {
    const config = { ...aUnitConfig(), connection: {} };
    t.match(problemsOf('config', config), [/connection: expected emulator/]);
    t.match(problemsOf('config', { ...config, systemType: 'dcdc_v1' }), [/dcdc_controller/, /emu_driver/]);
    t.match(problemsOf('config', { ...config, systemType: 'dcdc_v2' }), [/dcdc_controller/]);
    t.same(problemsOf('config', { ...config, device: { type: 'emulated', house: 'h' } }), []);
    const wired = (device: object) => problemsOf('config', { ...without(config, 'systemType'), device });
    t.same(wired({ type: 'flow', safeStop: 'watchdog' }), []);
    t.same(wired({ type: 'flow', safeStop: 'independent', stopCommand: ['/bin/stop', 'E001'] }), []);
    for (const stopCommand of [undefined, [], [1], '/bin/stop'])
      t.match(wired({ type: 'flow', safeStop: 'independent', ...(stopCommand !== undefined && { stopCommand }) }), [
        /device.stopCommand.*: expected/,
      ]);
    t.match(wired({ type: 'flow' }), [/device.safeStop: expected "watchdog" or "independent"/], 'RULE-18');
  });

  t.test(
    'unit config: a watchdog needs its address, peers are different units, state files a place for the name',
    async (t) => {
      t.match(problemsOf('config', changed(aUnitConfig(), 'watchdog', { enabled: true, port: 1 })), [
        /expected host, uri while enabled/,
      ]);
      t.same(
        problemsOf('config', changed(aUnitConfig(), 'watchdog', { enabled: true, host: 'h', port: 1, uri: '/' })),
        [],
      );
      const peer = (unitId: string) => ({ unitId, host: 'h', port: 1 });
      t.match(problemsOf('config', changed(aUnitConfig(), 'peers', [peer('E2'), peer('E2')])), [
        /each unit once, got E2 again/,
      ]);
      t.match(warningsOf('config', changed(aUnitConfig(), 'peers', [peer('E001')])), [/other units only, got E001/]);
      t.match(warningsOf('config', changed(aUnitConfig(), 'stateFileFormat', '/tmp/x')), [/a place %s/]);
    },
  );

  t.test('a device keeps its own options, whatever they are called', async (t) => {
    const text = pretty(aUnitConfig()).replace(
      '{',
      '{ "device": { "type": "x", "__proto__": 1, "list": [1, { "a": null }] },',
    );
    const { device } = parse('config', text).value;
    t.same(device?.list, [1, { a: null }]);
    t.equal(Object.getPrototypeOf(device), Object.prototype);
    t.equal(Object.hasOwn(device ?? {}, '__proto__'), true);
  });
});

t.test('encrypted keys (market §1.4)', async (t) => {
  const md5 = (data: string | Buffer) => createHash('md5').update(data).digest();
  const keyOf = ({ communityId, clusterId }: CipherSeed) => md5(`${communityId}-${clusterId}-3.0.0`);
  const decrypt = (cipherText: string, seed: CipherSeed): string => {
    const decipher = createDecipheriv('aes-128-cbc', keyOf(seed), md5(keyOf(seed)));
    return decipher.update(cipherText, 'base64', 'utf8') + decipher.final('utf8');
  };
  const encrypt = (text: string, seed: CipherSeed): string => {
    const cipher = createCipheriv('aes-128-cbc', keyOf(seed), md5(keyOf(seed)));
    return cipher.update(text, 'utf8', 'base64') + cipher.final('base64');
  };
  const dev = { communityId: 'dev', clusterId: 'dev' };
  const config = (more: Data): string => pretty({ ...aUnitConfig(), ...dev, ...more });
  const read = (more: Data) => parseConfig('config', config(more), 'f', { decrypt });

  t.test('texts below a key that ends in .encrypted are decrypted, other values kept', async (t) => {
    const E001 = 'Cl+PeiaFtx6TsdL0XR/DTQ=='; // check value of the spec
    t.equal(encrypt('E001', dev), E001);
    t.equal(read({ controlCenter: { 'account.encrypted': E001 } }).value.controlCenter.account, 'E001');
    const whole = read({ 'controlCenter.encrypted': { enabled: true, account: E001, password: E001 } }).value
      .controlCenter;
    t.same(whole, { enabled: true, account: 'E001', password: 'E001' });
    const peers = read({ 'peers.encrypted': [{ unitId: E001, host: E001, port: 1 }] }).value.peers;
    t.same(peers, [{ unitId: 'E001', host: 'E001', port: 1 }]);
  });

  t.test('of plain and encrypted the later one counts', async (t) => {
    const cipherText = encrypt('later', dev);
    t.equal(
      read({ controlCenter: { account: 'plain', 'account.encrypted': cipherText } }).value.controlCenter.account,
      'later',
    );
    t.equal(
      read({ controlCenter: { 'account.encrypted': cipherText, account: 'plain' } }).value.controlCenter.account,
      'plain',
    );
  });

  t.test('what cannot be decrypted refuses the file, without showing the text', async (t) => {
    t.throws(() => read({ controlCenter: { 'account.encrypted': encrypt('E001', { ...dev, clusterId: 'other' }) } }), {
      message: /^f:\d+ controlCenter\.account\.encrypted: cannot be decrypted as community "dev", cluster "dev"$/,
    });
    t.throws(() => parseConfig('config', pretty({ ...aUnitConfig(), 'unitName.encrypted': 'x' }), 'f', { decrypt }), {
      message: /community "", cluster ""/,
    });
  });

  t.test('without a key the text stays and a warning says so', async (t) => {
    const { value, warnings } = parseConfig('config', config({ 'unitName.encrypted': 'AAAA' }), 'f');
    t.equal(value.unitName, 'AAAA');
    t.match(warnings.map(describeProblem), [/unitName\.encrypted: is encrypted and was not decrypted here/]);
  });

  t.test("the original's switched-off spelling is ignored with a warning", async (t) => {
    t.match(warningsOf('config', config({ 'unitName.encrypted_': 'x' })), [/unitName\.encrypted_: is ignored/]);
  });

  t.test('other files know no encrypted keys', async (t) => {
    t.match(problemsOf('hwConfig', { ...aHwConfig(), 'droopRatio.encrypted': 'x' }), [/unknown key/]);
  });
});

t.test('scenario: windows of the day (market §2.2, W23)', async (t) => {
  const windows = (...keys: string[]): Data => Object.fromEntries(keys.map((key) => [key, aWindow()]));
  const times = (data: Data) => parse('scenario', data).value.windows.map(({ from, to }) => [from, to]);

  t.test('seconds of day, in file order', async (t) => {
    t.same(times(windows('12:00:00-24:00:00', '00:00:00-12:00:00')), [
      [43200, 86400],
      [0, 43200],
    ]);
    t.same(
      times(windows('-12:00:00', '12:00:00-24:00:00')),
      [
        [0, 43200],
        [43200, 86400],
      ],
      'TW-09: empty start is midnight',
    );
  });

  t.test('a window may cross midnight', async (t) => {
    const night = windows('06:00:00-22:00:00', '22:00:00-06:00:00');
    t.same(times(night), [
      [21600, 79200],
      [79200, 21600],
    ]);
    t.same(warningsOf('scenario', night), [], 'and leaves no gap');
    t.same(times(windows('22:00:00-00:00:00', '00:00:00-22:00:00')), [
      [79200, 0],
      [0, 79200],
    ]);
  });

  for (const key of [
    '9:00:00-18:00:00',
    '12:00:00-',
    '00:00:00-00:00:00',
    '24:00:00-06:00:00',
    '00:00:00-24:00:01',
    '00:60:00-12:00:00',
    '00:00:60-12:00:00',
    '00:00-12:00',
    'a-b',
    '-',
    '00:00:00-12:00:00-13:00:00',
    ' 00:00:00-12:00:00',
  ]) {
    t.test(`refused: ${key}`, async (t) =>
      t.match(problemsOf('scenario', windows(key)), [/expected a time window HH:MM:SS-HH:MM:SS/]),
    );
  }

  t.test('an unknown key without "-" is refused, problems inside a bad window are found too', async (t) => {
    t.match(problemsOf('scenario', { ...aScenario(), acceptselection: {} }), [/acceptselection: unknown key/]);
    t.match(problemsOf('scenario', { '1-2': { batteryStatus: { 'x-': 'a' } } }), [/time window/, /range of whole Wh/]);
    t.match(problemsOf('scenario', { '00:00:00-24:00:00': 1 }), [/expected an object, got 1/]);
  });

  t.test('overlaps and gaps are warnings: the first in the file counts, no trade in a gap', async (t) => {
    const text = pretty(windows('00:00:00-13:00:00', '12:00:00-20:00:00'));
    const line = text.split('\n').findIndex((content) => content.includes('12:00:00-20')) + 1;
    t.same(warningsOf('scenario', text), [
      `f:${line} 12:00:00-20:00:00: overlaps 00:00:00-13:00:00; the first in the file counts`,
      'f:1: has no window from 20:00:00 to 24:00:00: no trade then',
    ]);
    t.match(warningsOf('scenario', windows('23:00:00-01:00:00', '00:30:00-23:00:00')), [/overlaps 23:00:00-01:00:00/]);
    t.match(warningsOf('scenario', {}), [/has no window from 00:00:00 to 24:00:00/]);
    t.match(warningsOf('scenario', windows('01:00:00-02:00:00')), [/00:00:00 to 01:00:00/, /02:00:00 to 24:00:00/]);
  });

  t.test('each window keeps its own choice of accepts, the scenario its default', async (t) => {
    const { value } = parse('scenario', {
      acceptSelection: {},
      '00:00:00-24:00:00': { ...aWindow(), acceptSelection: { strategy: 'pointAndAmount' } },
    });
    t.same(value.acceptSelection, { strategy: 'amount' });
    t.same(value.windows[0]?.acceptSelection, { strategy: 'pointAndAmount' });
  });
});

t.test('scenario: battery levels and rules (market §2.3–2.5)', async (t) => {
  const window = (content: Data): Data => ({ '00:00:00-24:00:00': { batteryStatus: { '-': 'any' }, ...content } });
  const levels = (batteryStatus: Data): Data => window({ batteryStatus });
  const levelsOf = (batteryStatus: Data) => parse('scenario', levels(batteryStatus)).value.windows[0]?.batteryStatus;

  t.test('bounds are open when empty; file order is kept, also of keys that look like numbers', async (t) => {
    t.same(levelsOf({ '-': 'any' }), [{ lowerWh: -Infinity, upperWh: Infinity, status: 'any' }]);
    t.same(
      levelsOf({ '100-': 'b', '-100': 'a' })?.map(({ status }) => status),
      ['b', 'a'],
    );
    const text = '{"00:00:00-24:00:00": {"batteryStatus": {"-": "1"}, "request": {"b": {}, "1": {}, "0": {}}}}';
    t.same([...(parse('scenario', text).value.windows[0]?.request.keys() ?? [])], ['b', '1', '0']);
  });

  for (const key of ['4320.5-', ' 4320 - ', 'a-b', '-5-10', '10-10', '10-5', '1e3-', '9999999999-']) {
    t.test(`W24: refused: ${key}`, async (t) =>
      t.match(problemsOf('scenario', levels({ [key]: 'x', '-': 'any' })), [/range of whole Wh/]),
    );
  }

  t.test('BS-08: a key without "-" is ignored, with a warning', async (t) => {
    t.same(
      levelsOf({ '4320': 'x', '-': 'any' })?.map(({ status }) => status),
      ['any'],
    );
    t.match(warningsOf('scenario', levels({ '4320': 'x', '-': 'any' })), [/4320: is ignored/]);
  });

  t.test('overlaps and gaps are warnings', async (t) => {
    t.match(warningsOf('scenario', levels({ '0-3000': 'a', '2000-': 'b' })), [/2000-: overlaps 0 to 3000 Wh \("a"\)/]);
    t.match(warningsOf('scenario', levels({ '-1000': 'a', '2000-4800': 'b' })), [
      /no status from 1000 to 2000 Wh/,
      /from 4800 to Infinity/,
    ]);
    t.same(warningsOf('scenario', levels({ '0-1000': 'a', '1000-': 'b' })), [], 'nothing is below 0 Wh');
    t.match(warningsOf('scenario', levels({})), [/no status from 0 to Infinity/]);
  });

  t.test('empty rule objects are legal: the idiom for "never trade" (market §6.3)', async (t) => {
    const { value, warnings } = parse('scenario', window({ request: { any: {} }, accept: {} }));
    t.same(warnings, []);
    t.same(value.windows[0]?.request, new Map([['any', {}]]));
    t.same(value.windows[0]?.accept, new Map());
    t.same(parse('scenario', window({})).value.windows[0]?.request, new Map());
  });

  t.test('rules keep what they have and nothing else', async (t) => {
    const rule = { limitWh: 1000, pointPerWh: 0, pairUnitId: 'E002' };
    const read = parse('scenario', window({ accept: { any: { charge: rule, discharge: { limitWh: 5 } } } })).value;
    t.same(read.windows[0]?.accept.get('any'), { charge: rule, discharge: { limitWh: 5 } });
    t.match(problemsOf('scenario', window({ accept: { any: { Charge: {} } } })), [/Charge: unknown key/]);
  });

  t.test('RQ-10: the fraction of a limit is cut off, with a warning', async (t) => {
    const data = window({ request: { any: { charge: { limitWh: 3000.9 } } } });
    t.equal(parse('scenario', data).value.windows[0]?.request.get('any')?.charge?.limitWh, 3000);
    t.match(warningsOf('scenario', data), [/limitWh: expected whole Wh, the fraction of 3000\.9 is cut off/]);
  });

  t.test(
    'W11: negative limits and prices are refused; W9: a missing price is a warning where prices decide',
    async (t) => {
      const rule = { limitWh: 10, pointPerWh: -1 };
      t.match(problemsOf('scenario', window({ request: { any: { charge: rule } } })), [
        /pointPerWh: expected a number from 0/,
      ]);
      const priceless = window({
        request: { any: { charge: { limitWh: 10 } } },
        accept: { any: { discharge: { limitWh: 10 } } },
      });
      t.same(warningsOf('scenario', priceless), []);
      const warnings = warningsOf('scenario', { ...priceless, acceptSelection: { strategy: 'pointAndAmount' } });
      t.match(warnings, [/request\.any: has no pointPerWh/, /accept\.any: has no pointPerWh/]);
    },
  );

  t.test('a rule for a status that no level gives is a warning, whatever it is called', async (t) => {
    t.match(warningsOf('scenario', window({ request: { excess: {} } })), [/request\.excess: is never used/]);
    t.match(warningsOf('scenario', window({ accept: { constructor: {} } })), [/accept\.constructor: is never used/]);
  });
});

t.test('intervals and clock times', async (t) => {
  t.same(common({ from: 0, to: 5 }, { from: 5, to: 9 }), undefined);
  t.same(common({ from: 0, to: 6 }, { from: 5, to: 9 }), { from: 5, to: 6 });
  t.same(
    gaps({ from: 0, to: 10 }, [
      { from: 4, to: 6 },
      { from: 2, to: 5 },
    ]),
    [
      { from: 0, to: 2 },
      { from: 6, to: 10 },
    ],
  );
  t.same(gaps({ from: 0, to: 10 }, [{ from: -1, to: 11 }]), []);
  t.same(partsOfDay({ from: 80000, to: 0 }), [
    { from: 80000, to: 86400 },
    { from: 0, to: 0 },
  ]);
  t.test('a window key is the text of its times', async () => {
    const second = fc.integer({ min: 0, max: 86399 });
    fc.assert(
      fc.property(second, second, (from, to) => {
        fc.pre(from !== to);
        t.same(windowTimes(`${clockText(from)}-${clockText(to)}`), { from, to });
      }),
      { numRuns: 50 },
    );
  });
});

t.test('flows: nodes with ids and types, wires that lead somewhere', async (t) => {
  t.same(parse('flow', aFlow()).value.nodes, [
    { id: 'a', type: 'inject', wiresTo: ['b'] },
    { id: 'b', type: 'debug', wiresTo: [] },
  ]);
  t.same(parse('flow', [{ id: 'tab', type: 'tab' }]).value.nodes[0]?.wiresTo, []);
  t.match(problemsOf('flow', [...aFlow(), { id: 'a', type: 'x' }]), [/\[2\]: expected a unique id, got "a" again/]);
  t.match(problemsOf('flow', [{ id: 'a', type: 'x', wires: [['gone']] }]), [/\[0\]\.wires: .*got "gone"/]);
  t.equal(problemsOf('flow', [1, {}, { id: '', type: 'x' }, { id: 'a' }]).length, 4);
});

t.test('kinds are told by content', async (t) => {
  for (const [kind, sample] of Object.entries(samples)) t.equal(detectKind(pretty(sample()), 'f'), kind);
  t.equal(detectKind(pretty(aFlow()), 'f'), 'flow');
  t.equal(detectKind('{"08:00:00-09:00:00": 1}', 'f'), 'scenario');
  t.equal(detectKind('{"a": 1}', 'f'), undefined);
  t.equal(detectKind('3', 'f'), undefined);
  t.throws(() => detectKind('{', 'f'), { name: 'ConfigError', message: /^f:1: not valid JSON/ });
});

t.test('built-in settings: consistent among each other, equal to the original demo where they should be', async (t) => {
  t.test('no warnings, with 1 A and with 2 A deals', async (t) => {
    const reader: FileReader = {
      read: (path) =>
        pretty(
          {
            h: demoHwConfig(),
            p: demoPolicy(['E001', 'E002'], { gridCurrentA: 2, amountWh: 100 }),
            s: aScenario(),
            c: demoUnitConfig('E001', { hwConfigFile: 'h', policyFile: 'p', scenarioFile: 's' }),
          }[path],
        ),
      beside: (_, name) => name,
    };
    t.same(loadUnit('c', reader).warnings, []);
    const { deal } = demoPolicy(['E001']).mediator;
    t.same(deal, { gridCurrentA: 1, amountMinWh: 50, amountMaxWh: 50, amountUnitWh: 50 });
  });

  t.test('our own times, not those of the original', async (t) => {
    const { controller, gridMaster, user, operationMode } = demoPolicy(['E001', 'E002']);
    t.equal(controller.dataAcquisitionPeriodMsec, 1000);
    t.equal(controller.scramVoltageReferenceDelayMsec, 2000);
    t.equal(gridMaster.mainLoopPeriodMsec, 5000);
    t.equal(user.houseKeepingPeriodMsec, 60000);
    t.equal(operationMode, 'autonomous');
    t.equal(demoPolicy(['E001'], { operationMode: 'stop' }).operationMode, 'stop');
  });

  t.test('the scenario fits any battery', async (t) => {
    t.same(
      demoScenario(1000).windows[0]?.batteryStatus.map(({ lowerWh }) => lowerWh),
      [900, 750, 600, -Infinity],
    );
    t.equal(demoHwConfig(1000).batteryNominalCapacityWh, 1000);
  });

  t.test('they pass the same gate as files', async (t) => {
    t.throws(() => demoPolicy([]), { name: 'ConfigError', message: /built-in policy.*memberUnitIds/ });
    t.throws(() => demoPolicy(['a/b']), { name: 'ConfigError' });
    t.throws(() => demoUnitConfig(''), { name: 'ConfigError' });
  });
});

/** Files in memory, relative names beside the file that names them. */
function inMemory(files: Readonly<Record<string, unknown>>): FileReader {
  return {
    read(path) {
      const content = files[path];
      if (content === undefined) throw new Error('no such file');
      return typeof content === 'string' ? content : pretty(content);
    },
    beside: (file, name) => join(dirname(file), name),
  };
}

const aUnit = (): Record<string, unknown> => ({
  'u/config.json': aUnitConfig(),
  'u/hwConfig.json': aHwConfig(),
  'u/policy.json': aPolicy(),
  'u/scenario.json': aScenario(),
});

t.test('a unit: its files together (control §8.4)', async (t) => {
  const load = (changes: Record<string, unknown> = {}) =>
    loadUnit('u/config.json', inMemory({ ...aUnit(), ...changes }));
  const messages = (changes: Record<string, unknown>): string[] => {
    try {
      return load(changes).warnings.map((warning) => `warning: ${describeProblem(warning)}`);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return error.problems.map(describeProblem);
    }
  };

  t.test('gives all four', async (t) => {
    const { value, warnings } = load();
    t.equal(value.unitConfig.unitId, 'E001');
    t.equal(value.hwConfig.droopRatio, 0.039);
    t.equal(value.policy.heloPeriodMsec, 5000);
    t.equal(value.scenario.windows.length, 1);
    t.same(warnings, []);
  });

  t.test('problems of all named files come at once, missing files too', async (t) => {
    t.match(messages({ 'u/hwConfig.json': '{', 'u/policy.json': undefined, 'u/scenario.json': { x: 1 } }), [
      /^u\/hwConfig\.json:1: not valid JSON/,
      /^u\/policy\.json: cannot be read: no such file/,
      /^u\/scenario\.json:2 x: unknown key/,
    ]);
    t.match(messages({ 'u/config.json': undefined }), [/^u\/config\.json: cannot be read/]);
  });

  const hw = (path: string, value: unknown) => ({ 'u/hwConfig.json': changed(aHwConfig(), path, value) });
  t.test('hardware under the policy', async (t) => {
    t.match(messages(hw('gridCurrentAllowanceA', 1)), [
      /^u\/hwConfig\.json:4 gridCurrentAllowanceA: expected less than .* \(1\)/,
    ]);
    t.match(messages(hw('gridCurrentCapacityA', 1.1)), [/^warning: .*gridCurrentCapacityA: .* \(1\.125\), got 1\.1/]);
    t.match(messages(hw('safety.range.dcdc.meter.vg.max', 380)), [
      /^warning: u\/hwConfig\.json:\d+ .*vg\.max: .* \(384\).* got 380/,
    ]);
    t.same(messages(hw('safety.range.dcdc.meter.vg.max', 384)), []);
  });

  t.test('the unit and its peers belong to the cluster', async (t) => {
    t.match(messages({ 'u/config.json': changed(aUnitConfig(), 'unitId', 'E009') }), [
      /unitId: expected one of .* got "E009"/,
    ]);
    const peers = [{ unitId: 'E008', host: 'h', port: 1 }];
    t.match(messages({ 'u/config.json': changed(aUnitConfig(), 'peers', peers) }), [/^warning: .*peers: .*got "E008"/]);
  });

  t.test('the scenario fits battery and cluster', async (t) => {
    const charge = { limitWh: 4801, pairUnitId: 'E007' };
    const scenario = changed(aScenario(), '00:00:00-24:00:00.request', { short: { charge } });
    t.match(messages({ 'u/scenario.json': scenario }), [
      /within batteryNominalCapacityWh \(4800\), got limitWh 4801/,
      /pairUnitId "E007"/,
    ]);
  });
});

t.test('apis check', async (t) => {
  const run = (files: readonly string[], as?: string, content: Record<string, unknown> = aUnit()) => {
    const lines: string[] = [];
    const code = check(files, as, { ...inMemory(content), print: (line) => lines.push(line) });
    return { code, lines };
  };

  t.test('good files: OK with the kind, exit code 0', async (t) => {
    t.same(run(Object.keys(aUnit())), {
      code: 0,
      lines: [
        'OK u/config.json (config)',
        'OK u/hwConfig.json (hwConfig)',
        'OK u/policy.json (policy)',
        'OK u/scenario.json (scenario)',
      ],
    });
    t.same(run(['f', 'p'], undefined, { f: aFlow(), p: aProfile() }).lines, ['OK f (flow)', 'OK p (profile)']);
  });

  t.test('a bad file: every problem on its line, exit code 2, the others are still checked', async (t) => {
    const { code, lines } = run(['bad', 'u/policy.json'], undefined, {
      ...aUnit(),
      bad: { ...aHwConfig(), droopRatio: 9, typo: 1 },
    });
    t.equal(code, 2);
    t.match(lines, [/^bad:\d+ typo: unknown/, /^bad:\d+ droopRatio: expected/, 'BAD bad', 'OK u/policy.json (policy)']);
  });

  t.test('the files that the README begins with are good', async (t) => {
    const examples = join(projectRoot, 'gateway/examples');
    const names = ['hwConfig.json', 'policy.json', 'scenario.json', 'unit1/config.json', 'unit2/config.json'];
    const lines: string[] = [];
    const files = names.map((name) => join(examples, name));
    t.equal(check(files, undefined, { ...fileReader, print: (line) => lines.push(line) }), 0);
    t.same(
      lines.map((line) => line.slice(0, 3)),
      Array(5).fill('OK '),
      'without a warning',
    );
  });

  t.test('a unit config is checked with the files it names, relative to it', async (t) => {
    const content = { ...aUnit(), 'u/policy.json': changed(aPolicy(), 'memberUnitIds', ['E002']) };
    t.match(run(['u/config.json'], undefined, content), {
      code: 2,
      lines: [/unitId: expected one of/, 'BAD u/config.json'],
    });
  });

  t.test('files that are not on this machine do not make a config bad', async (t) => {
    t.match(run(['c'], undefined, { c: aUnitConfig() }), {
      code: 0,
      lines: [/^warning: c:4 hwConfigFile: not checked together/, /policyFile/, /scenarioFile/, 'OK c (config)'],
    });
  });

  t.test('--as names the kind where content does not', async (t) => {
    t.match(run(['x'], undefined, { x: {} }), { code: 2, lines: [/^x: expected a file that shows its kind/, 'BAD x'] });
    t.match(run(['x'], 'scenario', { x: {} }), { code: 0, lines: [/no window/, 'OK x (scenario)'] });
    t.match(run(['u/policy.json'], 'hwConfig').code, 2);
  });

  t.test('bad usage and files that cannot be read', async (t) => {
    t.match(run([]), { code: 2, lines: [/at least one file/] });
    t.match(run(['x'], 'nonsense'), { code: 2, lines: [/--as expected one of config, hwConfig.* got "nonsense"/] });
    t.match(run(['gone']), { code: 2, lines: [/^gone: cannot be read: no such file/, 'BAD gone'] });
  });
});

t.test('mutated files are refused with a ConfigError or taken, nothing else (INV-11)', async (t) => {
  const texts = Object.entries({ ...samples, flow: aFlow }).map(([kind, sample]) => ({
    kind: kind as ConfigKind,
    text: pretty(sample()),
  }));
  const survives = (kind: ConfigKind, text: string): void => {
    try {
      parseConfig(kind, text, 'f');
    } catch (error) {
      if (!(error instanceof ConfigError) || error.problems.length === 0) throw error;
    }
  };
  for (const { kind, text } of texts) {
    t.test(`${kind}: characters changed, cut out or put in`, async (t) => {
      fc.assert(
        fc.property(fc.nat(text.length), fc.nat(20), fc.string({ maxLength: 8 }), (start, length, insert) =>
          survives(kind, text.slice(0, start) + insert + text.slice(start + length)),
        ),
        { numRuns: 300 },
      );
      t.pass();
    });
    t.test(`${kind}: values replaced by any JSON`, async (t) => {
      const values = [...text.matchAll(/: ([^{[\n]+?),?$/gm)].map((match) => ({
        from: match.index + 2,
        to: match.index + 2 + (match[1] ?? '').length,
      }));
      fc.assert(
        fc.property(fc.constantFrom(...values), fc.json(), ({ from, to }, json) =>
          survives(kind, text.slice(0, from) + json + text.slice(to)),
        ),
        { numRuns: 200 },
      );
      t.pass();
    });
    t.test(`${kind}: any JSON at all`, async (t) => {
      fc.assert(
        fc.property(fc.json(), (json) => survives(kind, json)),
        { numRuns: 200 },
      );
      t.pass();
    });
  }
});

const originals = join(projectRoot, '../shared/vectors/original-config');
t.test(
  'the files of the original load unmodified',
  { skip: existsSync(originals) ? false : 'needs ../shared/vectors' },
  async (t) => {
    const reader: FileReader = {
      read: (path) => readFileSync(path, 'utf8'),
      beside: (file, name) => join(dirname(file), name),
    };
    const read = <K extends ConfigKind>(kind: K, path: string) =>
      parseConfig(kind, reader.read(join(originals, path)), path);

    t.test('all of them, each of its kind, exit code 0', async (t) => {
      const files = ['exe', 'samples'].flatMap((folder) =>
        readdirSync(join(originals, folder)).map((name) => join(originals, folder, name)),
      );
      t.equal(files.length, 11);
      const lines: string[] = [];
      t.equal(check(files, undefined, { ...reader, print: (line) => lines.push(line) }), 0);
      t.equal(lines.filter((line) => line.startsWith('OK')).length, 11);
      for (const line of lines) t.match(line, /^OK|^warning: .*(Exxx|got 380$|is ignored$|not checked together)/);
    });

    t.test(
      'its demo breaks the rule for vg.max and names a unit that is none: warnings only (control §8.4)',
      async (t) => {
        const { warnings, value } = loadUnit(join(originals, 'exe/config.json'), reader);
        t.match(warnings.map(describeProblem), [
          /policy\.json:92 .*fixedUnitId.*"Exxx"/,
          /hwConfig\.json:22 .*vg\.max.*got 380/,
        ]);
        t.equal(value.unitConfig.connection.emulator?.port, 4390);
        t.equal(value.unitConfig.stateFileFormat, '{tmpdir}/apis/state/%s');
      },
    );

    t.test('its values are taken as they are, ours fill the rest', async (t) => {
      const { value } = read('policy', 'exe/policy.json');
      t.equal(value.controller.dataAcquisitionPeriodMsec, 5000);
      t.equal(value.gridMaster.permitMsec, 5000);
      t.same(value.safety.gridTopologyBasedEvaluation.branchAssociation, {}, 'the empty key is a comment');
      const sample = read('policy', 'samples/sample-policy.json').value.safety.gridTopologyBasedEvaluation;
      t.same(sample.branchCurrentCapacityA, { 'E001-E002': 10, 'E002-E003': 8, 'E003-E004': 6 });
    });

    t.test('the built-in scenario is its demo scenario', async (t) => {
      t.same(demoScenario(), read('scenario', 'exe/scenario.json').value);
      const [morning, evening] = read('scenario', 'samples/sample-scenario.json').value.windows;
      t.equal(morning?.request.get('excess')?.discharge?.pairUnitId, 'E002');
      t.same(evening?.acceptSelection, { strategy: 'amount' });
    });

    t.test(
      'the built-in policy and hardware differ from its demo in our own times and the repaired limit only',
      async (t) => {
        const policy = read('policy', 'exe/policy.json').value;
        const ours = demoPolicy(['E001', 'E002', 'E003', 'E004'], { operationMode: 'stop' });
        t.same(ours, {
          ...policy,
          controller: { ...policy.controller, dataAcquisitionPeriodMsec: 1000, scramVoltageReferenceDelayMsec: 2000 },
          user: { ...policy.user, houseKeepingPeriodMsec: 60000 },
          gridMaster: { ...policy.gridMaster, gridMasterSelection: { strategy: 'voltageReferenceUnit' } },
        });
        const { value } = read('hwConfig', 'exe/hwConfig.json');
        t.same(changed({ ...demoHwConfig() }, 'safety.range.dcdc.meter.vg.max', 380), value);
      },
    );

    const profiles = join(projectRoot, '../shared/spec/profiles');
    t.test('and the hardware profiles of the specification', async (t) => {
      const files = readdirSync(profiles).filter((name) => name !== 'profile.schema.json');
      for (const name of files)
        t.same(parseConfig('profile', readFileSync(join(profiles, name), 'utf8'), name).warnings, [], name);
      t.ok(files.length >= 5);
    });
  },
);
