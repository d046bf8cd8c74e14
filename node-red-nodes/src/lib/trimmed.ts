import { isDeactivated } from '@apis-edge/gateway/domain';
import type { CommunityState } from './community.ts';

const FINISHED_DEALS = 5;
const FAULTS = 20;

/** The state as a page needs it: all open deals, the last few finished ones and faults. */
export const trimmed = (state: CommunityState): CommunityState => {
  const finished = state.deals.filter(isDeactivated).slice(-FINISHED_DEALS);
  return {
    ...state,
    deals: [...state.deals.filter((deal) => !isDeactivated(deal)), ...finished],
    faults: state.faults.slice(-FAULTS),
  };
};
