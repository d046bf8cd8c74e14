import type { ActionRequest, CommunityMessage } from '../../lib/widget-message.ts';

type Hear = (message: Partial<CommunityMessage> | undefined) => void;

/** What Dashboard 2 injects into every widget, as far as it is used here; it publishes no types. */
export interface Dashboard {
  readonly socket: { emit(event: 'widget-change', widgetId: string, request: ActionRequest): void };
  /** Calls `onInput` for each message of the widget's node, and `onLoad` with the last one when the page opens. */
  readonly track: (widgetId: string, onInput: Hear, onLoad: Hear) => void;
}

/** Types what was injected; throws when the page is no Dashboard. */
export function dashboard(socket: unknown, track: unknown): Dashboard {
  if (typeof track !== 'function' || socket === undefined) throw new Error('this widget needs a Dashboard 2 page');
  return { socket, track } as Dashboard;
}
