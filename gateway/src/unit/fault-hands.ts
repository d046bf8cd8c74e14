import type { Policy } from '../config/policy.ts';
import type { ConverterMode } from '../domain/converter-mode.ts';
import { PeerError } from '../domain/errors.ts';
import type { Fault } from '../domain/fault.ts';
import type { OperationMode } from '../domain/operation-mode.ts';
import type { GridMaster } from '../grid-master/index.ts';
import { type Clock, sleep } from '../ports/clock.ts';
import type { FaultHands } from './fault-chains.ts';

const LOOK_MSEC = 100;

export interface FaultHandsNeeds {
  readonly unitId: string;
  readonly clock: Clock;
  policy(): Pick<Policy, 'controller'>;
  /** Of the own converter; undefined when nobody knows. */
  converterMode(): ConverterMode | undefined;
  /** Own converter to WAIT, as it is and at once. */
  stopNow(reason: string): Promise<void>;
  /** Own converter to WAIT, current down first; one that holds the voltage is left alone. */
  stopCurrent(): Promise<void>;
  /** Ids of the own deals that are not finished. */
  openDealIds(): readonly string[];
  /** Asks the grid master, whoever it is. */
  askStop(dealId: string, reason: string): Promise<void>;
  /** While this unit leads. */
  gridMaster(): Pick<GridMaster, 'scram' | 'requestStop'> | undefined;
  stepDown(): void;
  /** Forgets negotiations and begins anew. */
  resetMarket(): void;
  /** No part in anything until an operator has acknowledged the fault. */
  withdraw(): void;
  setMode(value: OperationMode): Promise<void>;
}

/** Why a deal or converter was stopped, for its record. */
export const causeOf = ({ reason, unitId }: Fault): string => `${reason} : fault of ${unitId}`;

/** Carries out what the fault table names. */
export function faultHands(needs: FaultHandsNeeds): FaultHands {
  const leading = (): NonNullable<ReturnType<FaultHandsNeeds['gridMaster']>> => {
    const gridMaster = needs.gridMaster();
    if (gridMaster !== undefined) return gridMaster;
    throw new PeerError('grid-master.elsewhere', needs.unitId, `${needs.unitId} is not the grid master any more`);
  };
  const resign = async (): Promise<void> => needs.stepDown();
  const reset = async (): Promise<void> => needs.resetMarket();

  return {
    stopLocal: (fault) => needs.stopNow(causeOf(fault)),
    leaveBus: (fault, signal) => leaveBus(needs, fault, signal),
    stopOwnDeals: (fault, signal) => stopOwnDeals(needs, fault, signal),
    resignGridMaster: resign,
    resetLocal: reset,
    // The process stays: it goes on watching its converter, and can be asked (market.md W33).
    shutdownLocal: async () => needs.withdraw(),
    stopDeal: async (fault) => leading().requestStop(fault.dealId ?? '', [causeOf(fault)]), // the scope demands an id
    scram: (fault) => leading().scram(causeOf(fault)),
    resetAll: async () => {
      await reset(); // the other members do so when they hear of the fault
      await resign(); // the next grid master forms its picture anew
    },
    globalStop: () => needs.setMode('stop'),
  };
}

/**
 * Constant current to WAIT now; who holds the voltage asks to be relieved, and goes after
 * `controller.scramVoltageReferenceDelayMsec` whether it was or not (RULE-7, market.md W38).
 */
async function leaveBus(needs: FaultHandsNeeds, fault: Fault, signal: AbortSignal): Promise<void> {
  const { clock } = needs;
  const isOut = (): boolean => needs.converterMode() !== 'WAIT';
  try {
    await needs.stopCurrent();
    if (!isOut()) return;
    const goesAt = clock.monotonic() + needs.policy().controller.scramVoltageReferenceDelayMsec;
    const asked = new Set<string>();
    while (isOut() && clock.monotonic() < goesAt) {
      askStops(needs, fault, asked);
      await sleep(clock, LOOK_MSEC, signal);
    }
  } finally {
    await needs.stopNow(causeOf(fault));
  }
}

/** Asks again whenever asking has failed, until no own deal is left or `stopMeTimeoutMsec` has passed (control.md §7.3). */
async function stopOwnDeals(needs: FaultHandsNeeds, fault: Fault, signal: AbortSignal): Promise<void> {
  const { stopMeTimeoutMsec, stopMeCheckPeriodMsec } = needs.policy().controller;
  const giveUpAt = needs.clock.monotonic() + stopMeTimeoutMsec;
  const asked = new Set<string>();
  while (needs.openDealIds().length > 0) {
    if (needs.clock.monotonic() >= giveUpAt) {
      const message = `not ended within ${stopMeTimeoutMsec} ms: ${needs.openDealIds().join(', ')}`;
      throw new PeerError('deal.not-stopped', needs.unitId, message);
    }
    askStops(needs, fault, asked);
    await sleep(needs.clock, stopMeCheckPeriodMsec, signal);
  }
}

function askStops(needs: FaultHandsNeeds, fault: Fault, asked: Set<string>): void {
  for (const dealId of needs.openDealIds()) {
    if (asked.has(dealId)) continue;
    asked.add(dealId);
    needs.askStop(dealId, causeOf(fault)).catch(() => asked.delete(dealId)); // raised as a warning there
  }
}
