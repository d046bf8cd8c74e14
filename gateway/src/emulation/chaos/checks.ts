import { CURRENT_SIGN } from '../../domain/converter-mode.ts';
import { type Deal, isStarted, isStopped, sideOf } from '../../domain/deal.ts';
import type { Finding } from './finding.ts';
import type { Check, HouseMoment, Moment } from './moment.ts';
import {
  acquisitionAndWriteMsec,
  HAND_OVER_MSEC,
  LOSS_MSEC,
  MOST_CORRECTION,
  newGridMasterMsec,
  WRITE_MSEC,
} from './tolerances.ts';

/** Faults under which a unit cannot see, or cannot stop, its converter. */
const BLINDING = ['noReply', 'lateReply', 'duplicate', 'stuckMeter', 'meterOffset', 'houseOffline', 'wrongMode'];
/** Faults of the bus or of a converter that nobody has commanded. */
const FORCING = ['secondVoltageSource', 'leak', 'trip', 'tripped', 'heavyAlarm', 'lineBreak', 'offsetCurrent'];

/** Faults that make a converter do another thing than it was told, or once more what it was told a moment ago. */
const DISOBEYING = ['wrongMode', 'duplicate'];

const has = (troubles: ReadonlySet<string>, names: readonly string[]): boolean =>
  names.some((name) => troubles.has(name));

/** Such a fault excuses what its house does against its unit's last word, and nothing else that happens meanwhile. */
const isDisobeying = ({ isAsTold, troubles }: HouseMoment): boolean => !isAsTold && has(troubles, DISOBEYING);

const isOut = ({ mode }: HouseMoment): boolean => mode !== 'WAIT';
const isReference = ({ mode }: HouseMoment): boolean => mode === 'VOLTAGE_REFERENCE';
/** Its unit can act: nothing here is asked of a process that is not there. */
const canAct = (house: HouseMoment): boolean => house.isAwake && !has(house.troubles, BLINDING);
const isRunning = (deal: Deal): boolean => isStarted(deal) && !isStopped(deal);

/** The houses of each part of the bus. */
const segmentsOf = ({ houses }: Moment): readonly (readonly HouseMoment[])[] => {
  const segments = new Map<number, HouseMoment[]>();
  for (const house of houses) segments.set(house.segment, [...(segments.get(house.segment) ?? []), house]);
  return [...segments.values()];
};

/** A fault has put it there, not its unit: that a write came twice may also change the droop of one that is there in order. */
const isForcedThere = (house: HouseMoment): boolean => isDisobeying(house) && house.mode !== house.toldMode;

/**
 * Nobody could end it: it is of converters without a unit, and of such as obey none. The orphan, one at most, is left to
 * its supervisor's safe-stop (RULE-7), which these runs are without; two that were told so are one too many.
 */
function isBeyondUnits(references: readonly HouseMoment[]): boolean {
  const inOrder = references.filter((house) => !isForcedThere(house));
  return (
    inOrder.length < 2 &&
    references.some(({ isAwake }) => !isAwake) &&
    references.every((house) => !house.isAwake || (house.isPinned && isForcedThere(house)))
  );
}

/** INV-1: one reference on a bus, or two with droop for as long as a hand-over takes. */
export const oneReference: Check = (moment) =>
  segmentsOf(moment).flatMap((houses): Finding[] => {
    const references = houses.filter(isReference);
    if (references.length < 2 || isBeyondUnits(references)) return [];
    const isHandOver = references.length === 2 && references.every(({ drg }) => drg > 0);
    const isForced = references.some(isDisobeying);
    const names = references.map(({ houseId, drg }) => `${houseId} (droop ${drg})`).join(', ');
    return [
      {
        invariant: 'INV-1',
        subject: isHandOver ? 'hand-over' : 'references',
        message: `${references.length} voltage references on one bus: ${names}`,
        toleranceMsec: isHandOver ? HAND_OVER_MSEC : isForced ? acquisitionAndWriteMsec(moment.policy) : 0,
      },
    ];
  });

/** INV-2: nobody is out of WAIT for longer than any permit can have lasted; the reference leaves after its delay (RULE-7). */
export const livePermit: Check = ({ at, houses, policy }) =>
  houses.filter(isOut).flatMap((house): Finding[] => {
    if (!canAct(house) || house.awakeMsec < acquisitionAndWriteMsec(policy)) return [];
    const delayMsec = isReference(house) ? policy.controller.scramVoltageReferenceDelayMsec : 0;
    const overdueMsec = at - house.permitUntil - delayMsec;
    if (overdueMsec <= 0) return [];
    const since = Number.isFinite(overdueMsec) ? `${overdueMsec.toFixed(0)} ms after its permit` : 'without any permit';
    return [
      {
        invariant: 'INV-2',
        subject: `${house.houseId} permit`,
        message: `${house.houseId} is in ${house.mode} ${since}`,
        toleranceMsec: WRITE_MSEC,
      },
    ];
  });

/** What is beyond the hard limits of a converter now. */
function hardLimitsBroken(house: HouseMoment, { hwConfig }: Moment): readonly string[] {
  const { vg, ig, tmp } = hwConfig.safety.range.dcdc.meter;
  const reading: readonly (readonly [string, number, { readonly min: number; readonly max: number }, number])[] = [
    ['vg', house.vg, vg, 2],
    ['ig', house.ig, ig, 0.06],
    ['tmp', house.tmp, tmp, 0.5],
  ];
  // A little beyond the limit the meters may not see it yet.
  return reading
    .filter(([, value, { min, max }, error]) => value < min - error || value > max + error)
    .map(([name, value, { min, max }]) => `${name} ${value.toFixed(2)} (${min} to ${max})`)
    .concat(house.mode === house.toldMode ? [] : [`mode ${house.mode}, told ${house.toldMode}`]);
}

/** INV-3: beyond a hard limit a unit commands WAIT within one acquisition period and one write, by itself. */
export const localSafety: Check = (moment) =>
  moment.houses.filter(isOut).flatMap((house): Finding[] => {
    const isBlind =
      !house.isAwake || has(house.troubles, ['noReply', 'lateReply', 'stuckMeter', 'meterOffset', 'houseOffline']);
    if (isBlind || house.toldMode === 'WAIT') return [];
    const broken = hardLimitsBroken(house, moment);
    if (broken.length === 0) return [];
    return [
      {
        invariant: 'INV-3',
        subject: house.houseId,
        message: `${house.houseId} goes on in ${house.mode} with ${broken.join(', ')}`,
        toleranceMsec: acquisitionAndWriteMsec(moment.policy),
      },
    ];
  });

/** Current of the running deals of a unit, by role. */
const dealtA = ({ deals }: HouseMoment): number =>
  deals.filter(isRunning).reduce((sum, deal) => sum + deal.dealGridCurrentA, 0);

/**
 * INV-4: a constant-current side carries the current of its running deals, within the meters' allowance; while a meter
 * lies, within what compensation may change at most.
 */
export const balancedCurrents: Check = (moment) => {
  const isMisled = moment.houses.some((house) => has(house.troubles, ['meterOffset', 'stuckMeter']));
  return moment.houses.flatMap((house): Finding[] => {
    if (CURRENT_SIGN[house.mode] === 0 || !canAct(house)) return [];
    const usualA = moment.hwConfig.gridCurrentAllowanceA * Math.max(1, house.deals.length);
    const allowanceA = isMisled ? Math.max(usualA, MOST_CORRECTION * dealtA(house)) : usualA;
    const offA = house.dig - dealtA(house);
    if (Math.abs(offA) <= allowanceA) return [];
    return [
      {
        invariant: 'INV-4',
        subject: `${house.houseId} current`,
        message: `${house.houseId} is told ${house.dig.toFixed(3)} A in ${house.mode}, its running deals are ${dealtA(house)} A`,
        toleranceMsec: newGridMasterMsec(moment.policy) + moment.policy.gridMaster.deal.startTimeoutMsec / 10,
      },
    ];
  });
};

/** INV-4: no side of a deal goes on alone when the other has gone, longer than a new grid master needs. */
export const partnersTogether: Check = (moment) => {
  const byId = new Map(moment.houses.map((house) => [house.houseId, house]));
  return moment.houses.flatMap((house): Finding[] => {
    if (CURRENT_SIGN[house.mode] === 0 || !canAct(house)) return [];
    const running = house.deals.filter(isRunning);
    const partners = running.map((deal) =>
      byId.get(deal.chargeUnitId === house.houseId ? deal.dischargeUnitId : deal.chargeUnitId),
    );
    if (running.length === 0 || partners.some((partner) => partner === undefined || isOut(partner))) return [];
    return [
      {
        invariant: 'INV-4',
        subject: `${house.houseId} alone`,
        message: `${house.houseId} goes on in ${house.mode}, all its partners are in WAIT`,
        toleranceMsec: newGridMasterMsec(moment.policy),
      },
    ];
  });
};

/** INV-5: nobody charges in one deal and discharges in another. */
export const oneDirection: Check = ({ houses }) =>
  houses.flatMap(({ houseId, deals }): Finding[] => {
    const sides = new Set(deals.filter((deal) => !isStopped(deal)).map((deal) => sideOf(deal, houseId)));
    if (sides.size < 2) return [];
    return [
      { invariant: 'INV-5', subject: houseId, message: `${houseId} has deals in both directions`, toleranceMsec: 0 },
    ];
  });

/** How long the demand on a reference may be over its limit (RULE-9 and the demands on INV-9). */
function overDemandMsec(moment: Moment, house: HouseMoment): number {
  const isForced = has(moment.busTroubles, FORCING) || has(house.troubles, FORCING) || moment.houses.some(isDisobeying);
  const forcedMsec = isForced ? acquisitionAndWriteMsec(moment.policy) : 0;
  const mayLose = moment.policy.gridMaster.admission === 'capacity' || moment.recentLosses > 1;
  return Math.max(forcedMsec, mayLose ? LOSS_MSEC : 0);
}

/** INV-9: what a reference would have to carry stays within its limit; after a loss or an injected current for a moment more. */
export const demandWithinLimit: Check = (moment) =>
  moment.houses.filter(isReference).flatMap((house): Finding[] => {
    const { min, max } = moment.hwConfig.safety.range.dcdc.meter.ig;
    if (house.demandedA >= min - 0.01 && house.demandedA <= max + 0.01) return [];
    return [
      {
        invariant: 'INV-9',
        subject: `${house.houseId} demand`,
        message: `${house.houseId} would have to carry ${house.demandedA.toFixed(2)} A as voltage reference (${min} to ${max})`,
        toleranceMsec: overDemandMsec(moment, house),
      },
    ];
  });

/** INV-9: commanded values stay within the hardware's and the policy's limits. */
export const commandWithinLimit: Check = ({ houses, hwConfig, policy }) =>
  houses.filter(isOut).flatMap((house): Finding[] => {
    const { min, max } = policy.operationGridVoltageVRange;
    const isCurrentRight = house.dig <= hwConfig.gridCurrentCapacityA + 1e-6;
    const isVoltageRight = house.dvg >= min - 1e-6 && house.dvg <= max + 1e-6;
    if (isCurrentRight && isVoltageRight) return [];
    const message = `${house.houseId} is told ${house.dig} A, ${house.dvg} V (0 to ${hwConfig.gridCurrentCapacityA} A, ${min} to ${max} V)`;
    return [{ invariant: 'INV-9', subject: `${house.houseId} command`, message, toleranceMsec: 0 }];
  });

/** INV-9: a deal does not drain or fill a battery beyond the force-stop limits. */
export const chargeWithinLimit: Check = (moment) =>
  moment.houses.flatMap((house): Finding[] => {
    const { dischargeUnitLowerLimitRsoc: low, chargeUnitUpperLimitRsoc: high } =
      moment.policy.gridMaster.deal.forceStopCondition;
    const isDrained = house.rsoc < low - 0.1 && house.mode === 'DISCHARGE';
    const isFull = house.rsoc > high + 0.1 && house.mode === 'CHARGE';
    if (!(isDrained || isFull) || !canAct(house)) return [];
    return [
      {
        invariant: 'INV-9',
        subject: `${house.houseId} charge`,
        message: `${house.houseId} goes on in ${house.mode} at ${house.rsoc.toFixed(1)} % (${low} to ${high})`,
        toleranceMsec: newGridMasterMsec(moment.policy) + moment.policy.gridMaster.mainLoopPeriodMsec,
      },
    ];
  });

/** INV-10: while nothing is broken there is a grid master. */
export const gridMasterExists: Check = (moment) => {
  if (moment.calmMsec < 15_000 || moment.houses.some(({ isAwake }) => !isAwake)) return [];
  if (moment.houses.some(({ isGridMaster }) => isGridMaster)) return [];
  return [
    {
      invariant: 'INV-10',
      subject: 'grid master',
      message: 'there is no grid master although nothing is broken',
      toleranceMsec: newGridMasterMsec(moment.policy),
    },
  ];
};

/**
 * INV-6: of one term there is one grid master, so two that work at the same time have different terms. The older one may
 * have been taken for ended by mistake: it grants for a lease at most, and has as long again to stop whom it reaches (RULE-5).
 */
export const oneGridMaster: Check = ({ houses, policy }) => {
  const { leaseMsec, heartbeatMsec } = policy.gridMaster;
  const working = houses.filter(({ isGridMaster, isAwake }) => isGridMaster && isAwake);
  const cases = [
    { what: 'grid masters', who: working, msec: 2 * leaseMsec },
    { what: 'granting grid masters', who: working.filter(({ grants }) => grants), msec: leaseMsec },
  ];
  return cases.flatMap(({ what, who, msec }): Finding[] => {
    if (who.length < 2) return [];
    const names = who.map(({ houseId }) => houseId).join(', ');
    return [
      {
        invariant: 'INV-6',
        subject: what,
        message: `${names} are ${what} at the same time`,
        toleranceMsec: msec + 2 * heartbeatMsec,
      },
    ];
  });
};

/** Every check of a moment, in the order of the invariants. */
export const CHECKS: readonly Check[] = [
  oneReference,
  livePermit,
  localSafety,
  balancedCurrents,
  partnersTogether,
  oneDirection,
  oneGridMaster,
  demandWithinLimit,
  commandWithinLimit,
  chargeWithinLimit,
  gridMasterExists,
];
