import type { PropType } from 'vue';
import type { PageParts } from '../../lib/page-message.ts';
import type { ActionAnswer } from '../../lib/widget-message.ts';

/** What every page with buttons is handed: the community, what became of the last button, and whether there are any. */
export const ACTING_PAGE_PROPS = {
  parts: { type: Object as PropType<Partial<PageParts>>, required: true as const },
  answer: { type: Object as PropType<ActionAnswer>, default: undefined },
  canAct: { type: Boolean, default: false },
};
