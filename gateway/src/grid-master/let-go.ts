import type { DeviceCommand } from '../domain/device-command.ts';
import { DeviceError } from '../domain/errors.ts';
import { withDeadline } from '../ports/clock.ts';
import type { Grid } from './grid.ts';
import { isSilent } from './grid-view.ts';
import { isLostUnheard } from './silent-party.ts';

/**
 * Lowers one unit, and says whether its current is gone. One that is dead or mute is told as well, but nobody waits for
 * it: the reference shows what it does. An answer that is late is no answer, and other deals do not wait for it.
 */
export async function letGo(grid: Grid, unitId: string, command: DeviceCommand): Promise<boolean> {
  const { deal } = grid.policy.gridMaster;
  const view = grid.view();
  const told = grid.lower(unitId, command);
  if (isSilent(view, unitId)) return isLostUnheard(view, unitId);
  const late = (): DeviceError =>
    new DeviceError('device.slow-stop', `${unitId} is not down within ${deal.stopTimeoutMsec} ms`);
  return withDeadline(grid.needs.clock, deal.stopTimeoutMsec, told, late).catch(() => {
    grid.doubt(unitId); // until the answer comes
    return false;
  });
}
