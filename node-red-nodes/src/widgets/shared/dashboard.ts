import type { ActionRequest, HistoryRequest } from '../../lib/widget-message.ts';

type Hear<M> = (message: Partial<M> | undefined) => void;

/** What Dashboard 2 injects into every widget, as far as it is used here; it publishes no types. */
export interface Dashboard<M> {
  readonly socket: {
    emit(event: 'widget-change', widgetId: string, request: ActionRequest | HistoryRequest): void;
    on?(event: 'connect', handle: () => void): void;
    off?(event: 'connect', handle: () => void): void;
  };
  /** Calls `onInput` for each message of the widget's node, and `onLoad` with the last one when the page opens. */
  readonly track: (widgetId: string, onInput: Hear<M>, onLoad: Hear<M>) => void;
}

/** Types what was injected; throws when the page is no Dashboard. */
export function dashboard<M>(socket: unknown, track: unknown): Dashboard<M> {
  if (typeof track !== 'function' || socket === undefined) throw new Error('this widget needs a Dashboard 2 page');
  return { socket, track } as Dashboard<M>;
}
