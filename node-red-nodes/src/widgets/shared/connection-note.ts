import type { WidgetConnection } from '../../lib/widget-message.ts';

/** Messages come at least twice a second; after this long the page says that it shows old values. */
const SILENT_AFTER_MSEC = 4000;

/** One sentence for people when the page is not showing the present, else undefined. */
export function connectionNote(connection: WidgetConnection | undefined, silentMsec: number): string | undefined {
  if (connection === undefined) return 'Waiting for the first news from the gateway.';
  if (silentMsec > SILENT_AFTER_MSEC) return 'No news from Node-RED: these are the last known values.';
  if (connection.state === 'connected') return undefined;
  const who = connection.unitId === '' ? 'the gateway' : `the gateway of ${connection.unitId}`;
  return `Not connected to ${who}: these are the last known values. Check that it is running.`;
}
