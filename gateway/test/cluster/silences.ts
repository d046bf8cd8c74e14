import { setTimeout as pause } from 'node:timers/promises';
import type { ClusterLab, Member } from './cluster-lab.ts';
import {
  always,
  currentAgain,
  inOrder,
  interrupted,
  involves,
  masterOf,
  noneBeside,
  referenceOf,
  restOf,
  restOfAll,
  runningDeals,
  type Scenario,
  settled,
  settledWithParty,
  TRADE_MSEC,
} from './scenario.ts';

const SILENT_MSEC = 30_000;

/** So long a hung gateway may go unnoticed, and so long its converter may take to WAIT then. */
const NOTICED_AND_STOPPED_MSEC = 5_000 + 4_000;

async function frozen(lab: ClusterLab, victim: Member): Promise<number> {
  const pid = await lab.gatewayPid(victim);
  process.kill(pid, 'SIGSTOP');
  return performance.now();
}

/** The gateway hangs: its supervisor ends it, and puts the converter to WAIT. */
const freeze: Scenario = {
  name: 'freeze of the gateway that holds the voltage (SIGSTOP)',
  times: 2,
  run: async (lab) => {
    await settled(lab);
    const victim = referenceOf(lab);
    const since = await frozen(lab, victim);
    const rest = await restOf(lab, victim, since, 30_000);
    const resumed = await currentAgain(lab, rest);
    return [
      { name: 'frozen converter in WAIT, ms', value: rest - since, limit: NOTICED_AND_STOPPED_MSEC },
      { name: 'trading again, ms', value: resumed - since, limit: 20_000 },
      noneBeside(lab, since, rest),
      ...inOrder(lab, since),
    ];
  },
};

/** One that only takes part hangs: the deals of others have nothing to do with it. */
const freezeParty: Scenario = {
  name: 'freeze of a party (SIGSTOP)',
  times: 2,
  run: async (lab) => {
    const victim = await settledWithParty(lab);
    const others = runningDeals(lab).filter((deal) => !involves(victim.unitId)(deal));
    const since = await frozen(lab, victim);
    const rest = await restOf(lab, victim, since, 30_000);
    return [
      { name: 'frozen converter in WAIT, ms', value: rest - since, limit: NOTICED_AND_STOPPED_MSEC },
      interrupted(lab, others),
      noneBeside(lab, since, rest),
      ...inOrder(lab, since),
    ];
  },
};

/** A whole machine stands still, its supervisor too, and goes on with what it knew: the grid master of an old term. */
const thaw: Scenario = {
  name: 'the grid master’s machine stands still for 30 s',
  times: 2,
  run: async (lab) => {
    await settled(lab);
    const victim = masterOf(lab);
    const { term = 0 } = lab.state().grid ?? {};
    const pids = await lab.pids(victim);
    const frozen = performance.now();
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    await lab.until('a new grid master', ({ grid }) => (grid?.term ?? 0) > term, SILENT_MSEC);
    await pause(Math.max(0, SILENT_MSEC - (performance.now() - frozen)));
    const newTerm = lab.state().grid?.term ?? 0;
    for (const pid of pids) process.kill(pid, 'SIGCONT');
    const thawed = performance.now();
    const rest = await restOf(lab, victim, thawed);
    const resumed = await currentAgain(lab, rest);
    const { term: termNow = 0, gridMasterUnitId } = lab.state().grid ?? {};
    // The others may elect anew for a reason of their own, as on a busy machine: that is none of its doing.
    const isTaken = termNow > newTerm && gridMasterUnitId === victim.unitId;
    return [
      { name: 'thawed converter in WAIT, ms', value: rest - thawed, limit: 4_000 },
      { name: 'office taken by the thawed one', value: isTaken ? 1 : 0, limit: 0 },
      { name: 'trading again, ms', value: resumed - thawed, limit: 20_000 },
      noneBeside(lab, frozen, rest),
      ...always(lab, frozen),
    ];
  },
};

/** The drivers' counterpart says nothing for half a minute: the units stop with what they know, and go on by themselves. */
const silentDevices: Scenario = {
  name: 'drivers silent for 30 s',
  times: 2,
  run: async (lab) => {
    await settled(lab);
    const began = performance.now();
    lab.emulator.child.kill('SIGSTOP');
    await pause(SILENT_MSEC);
    lab.emulator.child.kill('SIGCONT');
    const answered = performance.now();
    // What flowed before the silence may flow on until the first command arrives: that is no news.
    const allWait = await restOfAll(lab, lab.members, answered, TRADE_MSEC);
    const again = await currentAgain(lab, allWait);
    return [
      { name: 'converters in WAIT after the answer, ms', value: allWait - answered, limit: 4_000 },
      { name: 'current again, ms', value: again - answered, limit: 10_000 },
      ...always(lab, began),
    ];
  },
};

export const SILENT_GATEWAYS: readonly Scenario[] = [freeze, freezeParty, thaw];
export const SILENT_DRIVERS: readonly Scenario[] = [silentDevices];
