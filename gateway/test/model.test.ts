import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';

const run = promisify(execFile);
const MODEL = fileURLToPath(new URL('../model/authority.pml', import.meta.url));

const hasTools = async (): Promise<boolean> => {
  const answers = await Promise.allSettled([run('spin', ['-V']), run('gcc', ['--version'])]);
  return answers.every(({ status }) => status === 'fulfilled');
};
const skip = !(await hasTools()) && 'needs spin and gcc';

/** How many of each happen at most, or a rule that is left out. */
type Setting = Readonly<Record<string, number>>;

/** Searches all states that a setting leads to; resolves with the verdict of the checker. */
async function check(
  setting: Setting,
  optimisation = '-O0',
): Promise<{ errors: number; states: number; said: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'apis-model-'));
  try {
    const defines = Object.entries(setting).map(([name, value]) => `-D${name}=${value}`);
    await run('spin', [...defines, '-a', MODEL], { cwd: directory });
    // Only safety is asked for; states are remembered by 64 bits of hash, at most 1.8 GB of them.
    await run('gcc', ['-w', optimisation, '-DSAFETY', '-DHC4', '-DMEMLIM=1800', '-o', 'pan', 'pan.c'], {
      cwd: directory,
    });
    const { stdout: said } = await run(join(directory, 'pan'), ['-m100000'], { cwd: directory, maxBuffer: 2 ** 24 });
    const numberBefore = (text: string): number => Number(new RegExp(`(\\d+) ${text}`).exec(said)?.[1]);
    return { errors: Number(/errors: (\d+)/.exec(said)?.[1]), states: numberBefore('states, stored'), said };
  } finally {
    await rm(directory, { recursive: true });
  }
}

t.setTimeout(240_000);

t.test(
  'INV-1, INV-2, INV-6, RULE-7: no sequence of events breaks them, and none ends in a deadlock',
  { skip },
  async (t) => {
    const settings = [
      { CRASHES: 1, DEALS: 1, HAND_OVERS: 0 },
      { CRASHES: 0, DEALS: 0, HAND_OVERS: 1, PERMIT: 1 },
    ];
    const results = await Promise.all(settings.map((setting) => check(setting, '-O1')));
    for (const { errors, states, said } of results) {
      t.equal(errors, 0, said);
      t.ok(states > 500_000, `all of ${states} states`);
      t.notMatch(said, /max search depth too small|out of memory/, 'nothing was left out');
    }
  },
);

t.test('the model fails when a rule is taken away', { skip }, async (t) => {
  const two = { CRASHES: 0, DEALS: 2, HAND_OVERS: 0 };
  const handOver = { CRASHES: 0, DEALS: 0, HAND_OVERS: 1, PERMIT: 1 };
  const cases: readonly (readonly [string, Setting, RegExp])[] = [
    ['NO_FENCE', handOver, /commandTerm==unit\[\w+\]\.term/],
    ['NO_PERMIT', two, /permitLeft>0/],
    ['NO_RULE_1', two, /isLive/],
    ['NO_RULE_7', two, /isLive/],
    ['NO_RULE_8', handOver, /hasDroop/],
  ];
  for (const [rule, setting, assertion] of cases) {
    const { said } = await check({ ...setting, [rule]: 1 });
    t.match(said, new RegExp(`assertion violated[^\\n]*${assertion.source}`), rule);
  }
});

t.test(
  'the model gets somewhere: deals outlive a grid master, and the reference is handed over',
  { skip },
  async (t) => {
    for (const REACHES of [1, 2]) {
      const { said } = await check({ CRASHES: 0, DEALS: 0, HAND_OVERS: 1, REACHES });
      t.match(said, /assertion violated/, `REACHES=${REACHES}`);
    }
  },
);
