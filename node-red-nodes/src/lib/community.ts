import type { CommunityState, UnitState } from '@apis-edge/gateway/client';

export type { CommunityState };
/** What is known of one unit. */
export type UnitEntry = UnitState;
