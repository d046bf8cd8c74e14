import type { WidgetConnection } from '../../lib/widget-message.ts';

/** Whether a page has buttons: only where its unit lets it operate, and not before that is known. */
export const mayOperate = (connection: WidgetConnection | undefined): boolean => connection?.role === 'operator';
