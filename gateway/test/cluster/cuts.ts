import { setTimeout as pause } from 'node:timers/promises';
import { system } from '../support/namespaces.ts';
import type { ClusterLab, Member } from './cluster-lab.ts';
import {
  always,
  currentAgain,
  type Figure,
  inOrder,
  interrupted,
  involves,
  masterOf,
  restOf,
  restOfAll,
  runningDeals,
  type Scenario,
  settled,
  settledWithParty,
  TRADE_MSEC,
} from './scenario.ts';

/** So long a cut lasts at least: both halves have had the time to go wrong. */
const CUT_MSEC = 10_000;

type Heal = () => Promise<void>;

/** Puts rules for what comes in into the namespace of each of `members`. */
async function filter(members: readonly Member[], ...rules: readonly string[]): Promise<Heal> {
  const nft = ({ host }: Member, ...words: readonly string[]): Promise<string> =>
    system('ip', 'netns', 'exec', host.namespace, 'nft', ...words);
  for (const member of members) {
    await nft(member, 'add', 'table', 'inet', 'lab');
    await nft(member, 'add chain inet lab input { type filter hook input priority 0; }');
    for (const rule of rules) await nft(member, `add rule inet lab input ${rule}`);
  }
  return async () => {
    for (const member of members) await nft(member, 'delete', 'table', 'inet', 'lab');
  };
}

/** `deaf` hear nothing any more of what `from` send. */
type Cut = (from: readonly Member[], deaf: readonly Member[]) => Promise<Heal>;

const sentBy = (members: readonly Member[]): string =>
  `ip saddr { ${members.map(({ host }) => host.address).join(', ')} }`;

const cut: Cut = (from, deaf) => filter(deaf, `${sentBy(from)} drop`);

/** As a firewall that turns connections away: they look as those to a process that has ended. */
const refuse: Cut = (from, deaf) =>
  filter(deaf, `${sentBy(from)} meta l4proto tcp reject with tcp reset`, `${sentBy(from)} drop`);

/** After the heal current flows again by itself. */
async function healed(lab: ClusterLab, since: number): Promise<readonly Figure[]> {
  const resumed = await currentAgain(lab, since);
  return [{ name: 'trading after the heal, ms', value: resumed - since, limit: 20_000 }];
}

const partition = (name: string, left: number, separate = cut): Scenario => ({
  name,
  times: 5,
  run: async (lab) => {
    await settled(lab);
    const master = masterOf(lab);
    const minority = [master, ...lab.members.filter((one) => one !== master)].slice(0, left);
    const others = lab.members.filter((one) => !minority.includes(one));
    const began = performance.now();
    const heals = await Promise.all([separate(minority, others), separate(others, minority)]);
    const rest = async (members: readonly Member[]): Promise<number> => (await restOfAll(lab, members, began)) - began;
    const figures: Figure[] = [];
    try {
      figures.push({
        name: 'the grid master’s part in WAIT, ms',
        value: await rest(minority),
        limit: 4_000,
      });
      // Half of the cluster is no majority either; without a grid master it goes when its permits run out.
      if (others.length <= lab.members.length / 2)
        figures.push({
          name: 'the other half in WAIT, ms',
          value: await rest(others),
          limit: 8_000,
        });
      await pause(Math.max(0, CUT_MSEC - (performance.now() - began)));
    } finally {
      await Promise.all(heals.map((heal) => heal()));
    }
    figures.push(...(await healed(lab, performance.now())));
    return [...figures, ...inOrder(lab, began)];
  },
});

/** A party that hears nobody any more goes when its permit runs out; the others have a grid master and go on. */
const partyAlone: Scenario = {
  name: 'partition 3+1, a party alone',
  times: 5,
  run: async (lab) => {
    const party = await settledWithParty(lab);
    const others = lab.members.filter((one) => one !== party);
    const untouched = runningDeals(lab).filter((deal) => !involves(party.unitId)(deal));
    const began = performance.now();
    const heals = await Promise.all([cut([party], others), cut(others, [party])]);
    const figures: Figure[] = [];
    try {
      const rest = (await restOf(lab, party, began)) - began;
      figures.push({ name: 'the party alone in WAIT, ms', value: rest, limit: 8_000 });
      await pause(Math.max(0, CUT_MSEC - (performance.now() - began)));
      figures.push(interrupted(lab, untouched));
    } finally {
      await Promise.all(heals.map((heal) => heal()));
    }
    figures.push(...(await healed(lab, performance.now())));
    return [...figures, ...inOrder(lab, began)];
  },
};

/** A bad network for a while: whatever it stops, nothing of it is unsafe, and it is over with its cause. */
const badNetwork = (name: string, spoil: (lab: ClusterLab) => Promise<Heal>, judge = inOrder): Scenario => ({
  name,
  times: 2,
  run: async (lab) => {
    await settled(lab);
    const began = performance.now();
    const heal = await spoil(lab);
    try {
      await pause(2 * CUT_MSEC);
    } finally {
      await heal();
    }
    return [...(await healed(lab, performance.now())), ...judge(lab, began)];
  },
});

/** Units that start in a slow network find each other all the same. */
const lateFromTheStart: Scenario = {
  name: 'gateways that start with every byte 500 ms late',
  times: 2,
  run: async (lab) => {
    await settled(lab);
    const { term = 0 } = lab.state().grid ?? {};
    const began = performance.now();
    const figures: Figure[] = [];
    lab.delay(true);
    try {
      await Promise.all(lab.members.map((member) => lab.signalGateway(member, 'SIGKILL')));
      const waiting = await restOfAll(lab, lab.members, began);
      const leads = await lab.until('a new grid master', ({ grid }) => (grid?.term ?? 0) > term, TRADE_MSEC);
      figures.push({ name: 'all converters in WAIT, ms', value: waiting - began, limit: 4_000 });
      figures.push({ name: 'new grid master, ms', value: leads - began, limit: 20_000 });
      const trades = await currentAgain(lab, leads);
      figures.push({ name: 'trading while every byte is late, ms', value: trades - leads, limit: 20_000 });
    } finally {
      lab.delay(false);
    }
    return [...figures, ...(await healed(lab, performance.now())), ...inOrder(lab, began)];
  },
};

/** The cluster falls apart into parts that each are whole. */
export const PARTITIONS: readonly Scenario[] = [
  partition('partition 2+2', 2),
  partition('partition 1+3, the grid master alone', 1),
  partyAlone,
];

/** What is between the parts looks like the end of the other one to each. */
export const REFUSALS: readonly Scenario[] = [
  partition('partition 1+3, the grid master behind a firewall that refuses', 1, refuse),
];

/** Messages go missing. */
export const LOSSES: readonly Scenario[] = [
  badNetwork('one-way loss: nobody hears the grid master', (lab) => {
    const master = masterOf(lab);
    return cut(
      [master],
      lab.members.filter((one) => one !== master),
    );
  }),
  // What a gateway says to its converter is lost as well: WAIT may take longer than the reference stays for it (RULE-7).
  badNetwork('30 % packet loss', (lab) => filter(lab.members, 'numgen random mod 100 < 30 drop'), always),
];

/** Of a cluster whose units know each other by relays: messages come late. */
export const DELAYS: readonly Scenario[] = [
  badNetwork('every byte 500 ms late', async (lab) => {
    lab.delay(true);
    return async () => lab.delay(false);
  }),
  lateFromTheStart,
];
