import { parseTimestamp } from '@apis-edge/gateway/domain';
import { UNKNOWN } from './format.ts';

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `2020/06/21-12:40:05` as `12:40` and `Sunday, 21 Jun 2020`, in the community's own zone. */
export function clockText(clock: string | undefined): { readonly time: string; readonly date: string } {
  const at = clock === undefined ? undefined : parseTimestamp(clock);
  if (clock === undefined || at === undefined) return { time: `${UNKNOWN}:${UNKNOWN}`, date: 'time not known' };
  const day = new Date(at);
  const date = `${DAYS[day.getUTCDay()]}, ${day.getUTCDate()} ${MONTHS[day.getUTCMonth()]} ${day.getUTCFullYear()}`;
  return { time: clock.slice(11, 16), date };
}
