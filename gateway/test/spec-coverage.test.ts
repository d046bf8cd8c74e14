import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { allVectorIds, skipWithoutVectors } from './support/vectors.ts';

/** Where a row of the specification is tested: the test file, and how the test's title begins. */
type Places = readonly (readonly [file: string, title: string])[];

/** The numeric vectors of control.md §13.1, in its order. */
const NUMERIC_VECTORS: Readonly<Record<string, Places>> = {
  'interlock capacity, remaining capacity': [['market', 'slots and energy of the sample hardware']],
  'current steps': [['controller', 'stepping (control.md §13.1']],
  'CHARGE 0.5 / 1 / 2.3': [
    ['controller', 'the commands of control.md §1.9 write what they should'],
    ['controller', 'CHARGE 0.5 / 1 / 2.3'],
  ],
  'authorization candidates': [
    ['config', 'the authorization voltages are those of control §1.9.8'],
    ['controller', 'candidates are those of the policy without what counts as the present voltage'],
  ],
  'first activation': [['grid-master', 'first-deal-gate (§13.1)']],
  'ramp-up done': [['grid-master', 'ramp-up is done at dvg − allowance']],
  'checkpoint current': [['controller', 'checkpoint (control.md §1.9.1, §13.1)']],
  'compensation, all four rows': [['grid-master', 'corrections (§13.1)']],
  'compensation limit': [['deal-life', 'measures once more than it may correct']],
  'activation target': [
    ['grid-master', 'first deal: target by the side of the master (§13.1)'],
    ['grid-master', 'second deal: targets (§13.1)'],
  ],
  'cumulation, also of a shared unit': [['grid-master', 'energy of a power over a time (§13.1)']],
  'stop rule': [['grid-master', 'the amount has to be exceeded (§13.1)']],
  'forced stop': [['grid-master', 'force-stop (§13.1)']],
  optimization: [['grid-master', 'voltage-optimisation (§13.1)']],
  'G2, and its second strike': [
    ['grid-master', 'balance (§13.1)'],
    ['deal-life', 'an imbalance that lasts stops everything; at first it is a warning'],
  ],
  'branch rule, both rows': [['grid-master', 'branches: sums of each direction on each side (§13.1)']],
};

/** The scenarios of control.md §13.2, by number. */
const SCENARIOS: Readonly<Record<number, Places>> = {
  1: [['deal-life', '§13.2.1 a single deal']],
  2: [
    ['deal-life', '§13.2.2 a second deal that shares the voltage reference'],
    ['deal-life', '§13.2.2 a second deal between two other units'],
  ],
  3: [['deal-life', '§13.2.3 the master deal ends first']],
  4: [
    ['deal-life', '§13.2.4 units of large capacity'],
    ['grid-master', 'large units'],
  ],
  5: [['deal-life', '§13.2.5 authorisation']],
  6: [['deal-life', '§13.2.6 ramp-up']],
  7: [['deal-life', '§13.2.7 limits of charge']],
  8: [['deal-life', '§13.2.8 stop requests']],
  9: [
    ['deal-life', '§13.2.9 a command that fails leaves a safe bus'],
    ['deal-life', '§13.2.9 each fault-injection flag'],
    ['deal-life', 'a hand-over that fails (D14)'],
  ],
  10: [
    ['controller', 'a suspicion counts after its time and over two samples'],
    ['deal-life', 'an imbalance that lasts stops everything; at first it is a warning'],
  ],
  11: [
    ['faults', 'community: the deals of a unit whose driver goes silent end'],
    ['faults', 'fault-hands: own deals are asked for until they are gone or the time is over'],
    ['rules', 'RULE-7: when permits run out the currents end first'],
  ],
  12: [
    ['rules', 'RULE-4: deals outlive a grid master'],
    ['deal-life', 'stops to act when it is stopped itself'],
    ['cluster', 'INV-6: at most one unit leads in a term'],
  ],
  13: [
    ['market', 'a local mode lowers the global one, never raises it'],
    ['negotiation', '§13.2.13 a deal that nobody has agreed on is refused in every mode'],
    ['deal-life', 'modes (control.md §6)'],
    ['community', 'the local mode takes one unit out'],
    ['controller', 'each mode has the checks of control.md §6'],
  ],
  14: [['negotiation', '§13.2.14 a reset keeps the slots of deals']],
  15: [
    ['shared-battery', '§13.2.15 two units on one battery'],
    ['shared-battery', '§13.2.15 two gateways on one battery, one of them killed with -9'],
    ['adapters', 'file-locks: shared by processes, and given back when one is killed with -9'],
  ],
  16: [
    ['controller', 'driver calls: attempts, deadlines, echoes'],
    ['controller', 'L1: a heavy alarm counts at once'],
    ['controller', 'L3, L4: code, text and command agree'],
    ['adapters', 'whatever the driver does wrong is a DeviceError'],
  ],
  17: [['config', 'keys: each refuses what is not its type or range']],
};

const textOf = (file: string): string => readFileSync(new URL(`${file}.test.ts`, import.meta.url), 'utf8');
const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);

const missing = (places: Places): string[] =>
  places
    .filter(([file, title]) => !new RegExp(String.raw`t\.test\(\s*['"\x60]${escaped(title)}`).test(textOf(file)))
    .map(([file, title]) => `${file}: ${title}`);

t.test('every numeric vector of control.md §13.1 is a test', async (t) => {
  for (const [row, places] of Object.entries(NUMERIC_VECTORS)) t.same(missing(places), [], row);
});

t.test('every scenario of control.md §13.2 is a test', async (t) => {
  t.same(
    Object.keys(SCENARIOS).map(Number),
    Array.from({ length: 17 }, (_, index) => index + 1),
  );
  for (const [row, places] of Object.entries(SCENARIOS)) t.same(missing(places), [], `§13.2.${row}`);
});

/** All text below a folder of the package, by file. */
const textsBelow = (folder: string, ending: RegExp): readonly string[] => {
  const root = new URL(`../${folder}/`, import.meta.url);
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => ending.test(name))
    .map((name) => readFileSync(new URL(name, root), 'utf8'));
};
const numbered = (kind: string, last: number): string[] =>
  Array.from({ length: last }, (_, index) => `${kind}-${index + 1}`);
/** Numbers cited in texts, `INV-1` and also the second one of `INV-1…3`. */
const cited = (texts: readonly string[]): ReadonlySet<string> =>
  new Set(
    texts.flatMap((text) =>
      [...text.matchAll(/\b(INV|RULE)-(\d+)(?:…(\d+))?/g)].flatMap(([, kind = '', from, to]) =>
        Array.from({ length: Number(to ?? from) - Number(from) + 1 }, (_, index) => `${kind}-${Number(from) + index}`),
      ),
    ),
  );

t.test('every invariant and every rule of authority is cited at a guard and in the title of a test', async (t) => {
  const law = [...numbered('INV', 11), ...numbered('RULE', 19)];
  const guards = cited(textsBelow('src', /\.ts$/));
  const titles = textsBelow('test', /\.test\.ts$/).flatMap((text) =>
    [...text.matchAll(/t\.test\(\s*(['"`])(.*?)\1,/gs)].map(([, , title = '']) => title),
  );
  t.same(
    law.filter((number) => !guards.has(number)),
    [],
    'cited at no guard',
  );
  t.same(
    law.filter((number) => !cited(titles).has(number)),
    [],
    'in no title',
  );
  t.same(
    [...guards, ...cited(titles)].filter((number) => !law.includes(number)),
    [],
    'unknown to the design',
  );
});

t.test('every decision vector is run by its kind, or named where it is', { skip: skipWithoutVectors }, async (t) => {
  const tests = ['market', 'negotiation', 'faults'].map(textOf).join('\n');
  /** `GB-03…05` names three; `GB-01` one. */
  const named = new Set(
    [...tests.matchAll(/([A-Z]{2})-(\d{2})(?:…(\d{2}))?/g)].flatMap(([, kind, from, to]) =>
      Array.from(
        { length: Number(to ?? from) - Number(from) + 1 },
        (_, index) => `${kind}-${String(Number(from) + index).padStart(2, '0')}`,
      ),
    ),
  );
  const left = allVectorIds().filter(
    ({ id, kind, conformance }) =>
      !named.has(id) && !(conformance === 'keep' && tests.includes(`keepVectors('${kind}')`)),
  );
  t.same(left, []);
});
