/** Lane of each deal inside the bus: a deal keeps its lane as long as it runs, a free lane is used again. */
export type Lanes = ReadonlyMap<string, number>;

export function assignLanes(before: Lanes, dealIds: readonly string[]): Lanes {
  const kept = dealIds.flatMap((id): [string, number][] => {
    const lane = before.get(id);
    return lane === undefined ? [] : [[id, lane]];
  });
  const lanes = new Map(kept);
  const taken = new Set(lanes.values());
  for (const id of dealIds) {
    if (lanes.has(id)) continue;
    let free = 0;
    while (taken.has(free)) free += 1;
    lanes.set(id, free);
    taken.add(free);
  }
  return lanes;
}

export const laneCount = (lanes: Lanes): number => Math.max(0, ...lanes.values()) + 1;

/** Lanes beyond this use the colours again; a lane's place and label tell them apart. */
export const COLOURS = 6;
