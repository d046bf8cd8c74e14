import { setTimeout as pause } from 'node:timers/promises';
import type { CommunityState } from '../../src/client/index.ts';
import type { ClusterLab, Member } from './cluster-lab.ts';
import type { Look } from './watcher.ts';

/** One figure of one run: a time against its limit, or a count that must be 0. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly limit: number;
}

export interface Scenario {
  readonly name: string;
  /** How often in the long form. */
  readonly times: number;
  /** Only in the long form. */
  readonly isLong?: boolean;
  run(lab: ClusterLab): Promise<readonly Figure[]>;
}

const isRunning = ({ startDateTime, stopDateTime }: CommunityState['deals'][number]): boolean =>
  startDateTime !== undefined && stopDateTime === undefined;
const runningDeals = (state: CommunityState): number => state.deals.filter(isRunning).length;

const isConstantCurrent = (look: Look, unitId: string): boolean =>
  ['CHARGE', 'DISCHARGE'].includes(look.houses[unitId]?.mode ?? '');
const isWaiting = (look: Look, unitId: string): boolean => look.houses[unitId]?.mode === 'WAIT';

const TRADE_MSEC = 120_000;
/** Commands and hand-overs of the beginning are over by then. */
const SETTLED_MSEC = 3_000;

const trading = (lab: ClusterLab, deals = 1): Promise<number> =>
  lab.until(`${deals} running deals`, (state) => runningDeals(state) >= deals, TRADE_MSEC);

const newMaster = (lab: ClusterLab, term: number): Promise<number> =>
  lab.until('a new grid master', ({ grid }) => (grid?.term ?? 0) > term, 30_000);

const referenceOf = (lab: ClusterLab): Member => {
  const houses = Object.values(lab.watcher.last?.houses ?? {});
  const reference = houses.find(({ mode }) => mode === 'VOLTAGE_REFERENCE');
  if (reference === undefined) throw new Error(`no voltage reference: ${lab.watcher.text()}`);
  return lab.member(reference.houseId);
};

/** Deals run, and not only just: one that has ended meanwhile is followed by another. */
async function settled(lab: ClusterLab): Promise<void> {
  const isCarrying = (): boolean => {
    const modes = Object.values(lab.watcher.last?.houses ?? {}).map(({ mode }) => mode);
    return runningDeals(lab.state()) > 0 && modes.filter((mode) => mode !== 'WAIT').length > 1;
  };
  do {
    await trading(lab);
    await pause(SETTLED_MSEC);
  } while (!isCarrying());
}

/** Figures that hold for every disturbance. */
const always = (lab: ClusterLab, since: number, limitA = 2.35): readonly Figure[] => [
  { name: 'moments with two stiff references', value: lab.watcher.rivalReferences(since).length, limit: 0 },
  { name: 'demanded current over the limit, ms', value: lab.watcher.overloadMsec(since, limitA), limit: 1_000 },
];

/** kill -9 of the voltage reference; where it is the grid master as well, another one has to come. */
const killReference: Scenario = {
  name: 'kill -9 of the voltage reference',
  times: 5,
  run: async (lab) => {
    await settled(lab);
    const victim = referenceOf(lab);
    const { gridMasterUnitId, term = 0 } = lab.state().grid ?? {};
    const isMaster = gridMasterUnitId === victim.unitId;
    const last = lab.watcher.last as Look; // it has found the reference just now
    const others = lab.members.filter(({ unitId }) => isConstantCurrent(last, unitId)).map(({ unitId }) => unitId);
    const killed = performance.now();
    await lab.signalGateway(victim, 'SIGKILL');
    const others0 = await lab.watcher.until(
      'WAIT of all currents',
      (look) => others.every((id) => isWaiting(look, id)),
      15_000,
      killed,
    );
    const own0 = await lab.watcher.until('WAIT of the dead', (look) => isWaiting(look, victim.unitId), 15_000, killed);
    const master = isMaster
      ? [{ name: 'new grid master, ms', value: (await newMaster(lab, term)) - killed, limit: 4_500 }]
      : [];
    const resumed = await lab.watcher.until(
      'trading',
      ({ houses }) => Object.values(houses).some(({ mode }) => mode === 'CHARGE' || mode === 'DISCHARGE'),
      TRADE_MSEC,
      Math.max(own0, others0),
    );
    return [
      { name: 'currents in WAIT, ms', value: others0 - killed, limit: 2_000 },
      { name: 'dead converter in WAIT, ms', value: own0 - killed, limit: 4_000 },
      { name: 'reference left before the currents, ms', value: Math.max(0, others0 - own0), limit: 0 },
      ...master,
      { name: 'trading again, ms', value: resumed - killed, limit: 20_000 },
      ...always(lab, killed),
    ];
  },
};

const killParty: Scenario = {
  name: 'kill -9 of a party with constant current',
  times: 5,
  run: async (lab) => {
    await settled(lab);
    const look = lab.watcher.last as Look; // trading is seen by it
    const victim = lab.members.find(({ unitId }) => isConstantCurrent(look, unitId));
    if (victim === undefined) throw new Error(`nobody in constant current: ${lab.watcher.text()}`);
    const killed = performance.now();
    await lab.signalGateway(victim, 'SIGKILL');
    const own = await lab.watcher.until('WAIT of the dead', (now) => isWaiting(now, victim.unitId), 15_000, killed);
    return [{ name: 'dead converter in WAIT, ms', value: own - killed, limit: 4_000 }, ...always(lab, killed)];
  },
};

const freeze: Scenario = {
  name: 'freeze of a gateway (SIGSTOP)',
  times: 2,
  run: async (lab) => {
    await settled(lab);
    const victim = referenceOf(lab);
    const pid = await lab.gatewayPid(victim);
    const frozen = performance.now();
    process.kill(pid, 'SIGSTOP');
    const own = await lab.watcher.until('WAIT of the frozen', (look) => isWaiting(look, victim.unitId), 30_000, frozen);
    return [{ name: 'frozen converter in WAIT, ms', value: own - frozen, limit: 9_000 }, ...always(lab, frozen)];
  },
};

/** Cuts the cluster in two by dropping, in each namespace, what comes from the other side. */
async function cut(from: readonly Member[], to: readonly Member[]): Promise<() => Promise<void>> {
  const { system } = await import('../support/namespaces.ts');
  const nft = (member: Member, ...words: readonly string[]): Promise<string> =>
    system('ip', 'netns', 'exec', member.host.namespace, 'nft', ...words);
  for (const member of to) {
    const sources = from.map(({ host }) => host.address).join(', ');
    await nft(member, 'add', 'table', 'inet', 'lab');
    await nft(member, 'add chain inet lab input { type filter hook input priority 0; }');
    await nft(member, `add rule inet lab input ip saddr { ${sources} } drop`);
  }
  return async () => {
    for (const member of to) await nft(member, 'delete', 'table', 'inet', 'lab');
  };
}

const partition = (name: string, left: number): Scenario => ({
  name,
  times: 5,
  run: async (lab) => {
    await settled(lab);
    const master = referenceOf(lab);
    const minority = [master, ...lab.members.filter((one) => one !== master)].slice(0, left);
    const majority = lab.members.filter((one) => !minority.includes(one));
    const began = performance.now();
    const heals = [await cut(minority, majority), await cut(majority, minority)];
    try {
      const safe = await lab.watcher.until(
        'WAIT of the minority',
        (look) => minority.every(({ unitId }) => isWaiting(look, unitId)),
        15_000,
        began,
      );
      await pause(10_000);
      const figures = [{ name: 'minority in WAIT, ms', value: safe - began, limit: 4_000 }, ...always(lab, began)];
      return figures;
    } finally {
      for (const heal of heals) await heal();
      await pause(2_000);
    }
  },
});

const killAll: Scenario = {
  name: 'all gateways killed at once',
  times: 2,
  run: async (lab) => {
    await settled(lab);
    const killed = performance.now();
    await Promise.all(lab.members.map((member) => lab.signalGateway(member, 'SIGKILL')));
    const waiting = await lab.watcher.until(
      'WAIT of all',
      (look) => lab.members.every(({ unitId }) => isWaiting(look, unitId)),
      15_000,
      killed,
    );
    await lab.watcher.until(
      'trading',
      ({ houses }) => Object.values(houses).some(({ mode }) => mode !== 'WAIT'),
      TRADE_MSEC,
      waiting,
    );
    return [{ name: 'all converters in WAIT, ms', value: waiting - killed, limit: 4_000 }, ...always(lab, killed)];
  },
};

/** The drivers' counterpart says nothing for half a minute: the units stop with what they know, and go on by themselves. */
const silentDevices: Scenario = {
  name: 'drivers silent for 30 s',
  times: 2,
  isLong: true,
  run: async (lab) => {
    await settled(lab);
    const began = performance.now();
    lab.emulator.child.kill('SIGSTOP');
    await pause(30_000);
    lab.emulator.child.kill('SIGCONT');
    const answered = performance.now();
    const again = await lab.watcher.until(
      'current',
      ({ houses }) => Object.values(houses).some(({ ig }) => Math.abs(ig) > 0.2),
      TRADE_MSEC,
      answered + 2_000, // the currents of before the silence are no news
    );
    return [{ name: 'current again, ms', value: again - answered, limit: 10_000 }, ...always(lab, began)];
  },
};

export const SCENARIOS: readonly Scenario[] = [
  killReference,
  killParty,
  freeze,
  partition('partition 2+2', 2),
  partition('partition 1+3, the grid master alone', 1),
  silentDevices,
  killAll,
];
