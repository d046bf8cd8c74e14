import type { KnownFault } from '@apis-edge/gateway/client';
import type { Deal, EmulationState, GridState, Refusal } from '@apis-edge/gateway/domain';
import type { CommunityState } from './community.ts';
import type { HousePoints } from './house-history.ts';
import type { ActionAnswer, WidgetConnection } from './widget-message.ts';

export const PAGES = ['deals', 'house', 'grid', 'faults', 'emulator'] as const;
export type PageName = (typeof PAGES)[number];

/** One unit's no to another's request, told as one while nothing but its time and numbers change. */
export interface RefusalNote {
  readonly requestUnitId: string;
  readonly acceptUnitId: string;
  /** What the requester wanted, when its request was heard. */
  readonly wanted?: { readonly type: string; readonly amountWh: number };
  readonly refusal: Refusal;
  /** Time of the last one, in the community's own time. */
  readonly at: string;
  readonly count: number;
}

/** The grid master's last word, and how long ago it was heard. */
export interface GridNews {
  readonly state: GridState;
  readonly heardAgoMsec: number;
}

/** How the emulation stands, or why nothing is known of one. */
export type EmulationNews = EmulationState | { readonly problem: string };

/** What pages are made of; each page gets the parts that it shows. */
export interface PageParts {
  readonly units: CommunityState['units'];
  readonly openDeals: readonly Deal[];
  /** Oldest first. */
  readonly finishedDeals: readonly Deal[];
  /** The latest last. */
  readonly refusals: readonly RefusalNote[];
  readonly grid: GridNews | null;
  readonly faults: readonly KnownFault[];
  readonly hasGlobalErrors: boolean;
  /** Null until it has been asked for. */
  readonly emulation: EmulationNews | null;
}

export const PARTS_OF: Readonly<Record<PageName, readonly (keyof PageParts)[]>> = {
  deals: ['units', 'openDeals', 'finishedDeals', 'refusals'],
  house: ['units'],
  grid: ['units', 'openDeals', 'grid'],
  faults: ['units', 'faults', 'hasGlobalErrors'],
  emulator: ['units', 'emulation'],
};

/** Node → page: the parts that have changed since the last one; a page that opens gets all of them. */
export interface PageMessage {
  readonly parts: Partial<PageParts>;
  readonly connection: WidgetConnection;
  readonly answer?: ActionAnswer;
}

/** Node → the page that asked. */
export interface HistoryMessage {
  readonly history: HousePoints;
}
