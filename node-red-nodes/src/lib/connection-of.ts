import type { UnitLink } from './unit-link.ts';
import type { WidgetConnection } from './widget-message.ts';

const SPEED_EVERY = 25;

/** What pages are told of their connection, call by call; the daemon's speed is asked for now and then. */
export function connectionOf(link: UnitLink): () => WidgetConnection {
  let turn = 0;
  let speed: number | undefined;
  return () => {
    if (turn++ % SPEED_EVERY === 0)
      link.speed().then(
        (value) => {
          speed = value;
        },
        () => {},
      );
    const { role, unitId } = link;
    return { state: link.state(), unitId, role, ...(speed === undefined ? {} : { speed }) };
  };
}
