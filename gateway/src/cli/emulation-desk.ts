import type { Pacer } from '../api/emulator-routes.ts';
import type { EmulatedFault, EmulationBody, EmulationState } from '../domain/emulation.ts';
import { ConfigError } from '../domain/errors.ts';
import type { OperatorBody } from '../domain/messages.ts';
import { readFaultKind, readHouseFault } from '../emulation/read-fault.ts';
import type { World } from '../emulation/world.ts';
import type { FaultTarget, WorldFault } from '../emulation/world-fault.ts';

const LOWEST_SPEED = 0.1;
const HIGHEST_SPEED = 3600;

const refuse = (path: string, message: string): never => {
  throw new ConfigError([{ file: 'emulation', path, message }]);
};

export const isEmulationBody = (body: OperatorBody | EmulationBody): body is EmulationBody =>
  body.kind.startsWith('emulation.');

function branchOf({ branch }: EmulatedFault, world: World): string {
  const branches = world.branches();
  return (
    branches.find((one) => one === branch) ?? refuse('branch', `expected one of ${branches.join(', ')}, got ${branch}`)
  );
}

function houseOf({ houseId }: EmulatedFault, world: World): string {
  const ids = world.houseIds();
  return ids.find((one) => one === houseId) ?? refuse('houseId', `expected one of ${ids.join(', ')}, got ${houseId}`);
}

function faultFrom(words: EmulatedFault, world: World): WorldFault {
  if (words.kind === 'lineBreak') return { kind: 'lineBreak', branch: branchOf(words, world) };
  const { houseId: _, ...fault } = words;
  return { ...readHouseFault(fault), houseId: houseOf(words, world) };
}

/** What is to be mended: the kind and its place, further details do not matter. */
const targetFrom = (words: EmulatedFault, world: World): FaultTarget =>
  words.kind === 'lineBreak'
    ? { kind: 'lineBreak', branch: branchOf(words, world) }
    : { kind: readFaultKind(words.kind), houseId: houseOf(words, world) };

type Words = { readonly [K in EmulationBody['kind']]: (body: Extract<EmulationBody, { kind: K }>) => void };

/**
 * Carries out what operators say about the houses that this process emulates, and tells how they stand afterwards.
 * `unitIds` are by house. Throws ConfigError when nothing is emulated here, and for what cannot be; then nothing has
 * changed (INV-11).
 */
export function emulationDesk(
  world: World | undefined,
  unitIds: ReadonlyMap<string, string>,
  pacer: Pacer | undefined,
): (body: EmulationBody) => EmulationState {
  if (world === undefined) return () => refuse('houses', 'expected an emulated house, got one with a real device');
  const words: Words = {
    'emulation.look': () => {},
    'emulation.set': ({ kind: _, houseId, ...setting }) => world.set(houseId, setting),
    'emulation.inject': ({ fault }) => world.inject(faultFrom(fault, world)),
    'emulation.heal': ({ target }) => world.heal(target && targetFrom(target, world)),
    'emulation.speed': ({ value }) => {
      if (pacer === undefined) return refuse('speed', 'expected emulated houses only, got a real device among them');
      if (value < LOWEST_SPEED || value > HIGHEST_SPEED)
        return refuse('speed', `expected ${LOWEST_SPEED} to ${HIGHEST_SPEED} times life, got ${value}`);
      pacer.setSpeed(value);
    },
  };
  return (body) => {
    (words[body.kind] as (body: EmulationBody) => void)(body); // kind and body belong together by type
    return stateOf(world, unitIds, pacer);
  };
}

function stateOf(world: World, unitIds: ReadonlyMap<string, string>, pacer: Pacer | undefined): EmulationState {
  const broken = world.brokenBranches();
  return {
    time: world.now(),
    speed: pacer?.speed() ?? 1,
    houses: world.houseIds().map((houseId) => {
      const { rsoc, capacityWh, pvW, loadW, faults } = world.house(houseId);
      return { houseId, unitId: unitIds.get(houseId) ?? houseId, rsoc, capacityWh, pvW, loadW, faults };
    }),
    branches: world.branches().map((branch) => ({ branch, isBroken: broken.includes(branch) })),
  };
}
