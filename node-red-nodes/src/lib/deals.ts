import type { CommunityState } from '@apis-edge/gateway/client';
import { type Deal, isDeactivated } from '@apis-edge/gateway/domain';

/** Deals that are not over, the oldest first. */
export const openDealsOf = (state: Pick<CommunityState, 'deals'>): readonly Deal[] =>
  state.deals.filter((deal) => !isDeactivated(deal));
