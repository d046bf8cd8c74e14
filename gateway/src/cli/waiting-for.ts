import type { Unit } from '../unit/unit.ts';

/**
 * What keeps a daemon's units from trading, in words for people: a unit that has not measured yet, and a grid master
 * that cannot be elected because too few members are there (architecture.md §3). Empty once all are ready.
 */
export function waitingFor(
  units: readonly Pick<Unit, 'unitId' | 'data' | 'isReady' | 'present'>[],
  memberUnitIds: readonly string[],
): readonly string[] {
  const unread = units.filter((unit) => unit.data() === undefined);
  const isLedBySomebody = units.every((unit) => unit.isReady() || unread.includes(unit));
  const present = memberUnitIds.filter((id) => units.some((unit) => unit.present().includes(id)));
  return [
    ...unread.map(({ unitId }) => `a reading of ${unitId}`),
    ...(isLedBySomebody ? [] : [`a grid master, ${present.length} of ${memberUnitIds.length} members are there`]),
  ];
}
