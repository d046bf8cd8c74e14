import t from 'tap';
import type { Deal } from '../../src/domain/index.ts';
import {
  type EmulatedCommunity,
  type EmulatedCommunityOptions,
  emulatedCommunity,
} from '../../src/emulation/emulated-community.ts';
import { VirtualClock } from '../../src/ports/index.ts';

export const MAY_MORNING = Date.UTC(2020, 4, 15, 9);
export const HOUR = 3_600_000;
export const IDS = ['E001', 'E002', 'E003', 'E004'];

export interface Running extends EmulatedCommunity {
  readonly clock: VirtualClock;
  /** Advances until the condition holds; fails the test when the limit passes. */
  until(condition: () => boolean, limitMsec: number, what: string): Promise<void>;
}

/** Four houses that have just been started; `E001` has plenty, `E004` needs some. */
export async function aCommunity(options: Partial<EmulatedCommunityOptions> = {}): Promise<Running> {
  const clock = new VirtualClock(MAY_MORNING);
  const emulated = emulatedCommunity({ clock, seed: 1, units: 4, rsoc: [92, 80, 55, 30], ...options });
  void emulated.community.start();
  return {
    ...emulated,
    clock,
    until: async (condition, limitMsec, what) => {
      t.ok(await clock.runUntil(condition, limitMsec), what);
    },
  };
}

export const modesOf = ({ world }: EmulatedCommunity): string[] => world.houseIds().map((id) => world.house(id).mode);
export const allWaiting = (running: EmulatedCommunity): boolean => modesOf(running).every((mode) => mode === 'WAIT');
export const openDeals = ({ community }: EmulatedCommunity): Deal[] => {
  const byId = new Map(community.units.flatMap((unit) => unit.deals()).map((deal) => [deal.dealId, deal]));
  return [...byId.values()];
};
export const finishedDeals = ({ ledgers }: EmulatedCommunity): Deal[] => {
  const byId = new Map([...ledgers.values()].flat().map((deal) => [deal.dealId, deal]));
  return [...byId.values()];
};
export const isFlowing = (running: EmulatedCommunity): boolean =>
  openDeals(running).some((deal) => deal.startDateTime !== undefined);
