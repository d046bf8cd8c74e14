import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EmulationState } from '../../../gateway/src/domain/emulation.ts';
import { aDeal, aGrid, aUnit } from '../../../gateway/test/support/messages.ts';
import { aFakeCommunity } from './community.ts';
import { type Flow, PACKAGE_DIR } from './package-files.ts';
import { startRuntime } from './runtime.ts';

type FakeCommunity = Awaited<ReturnType<typeof aFakeCommunity>>;
type Runtime = Awaited<ReturnType<typeof startRuntime>>;

/** The flow of the emulated community, as it is delivered. */
export const FLOW = JSON.parse(
  readFileSync(join(PACKAGE_DIR, '..', 'flows', 'emulated-community.json'), 'utf8'),
) as Flow;
export const HOUSES = ['E001', 'E002', 'E003', 'E004'];

const STARTED = { activateDateTime: '2026/01/02-03:00:05', startDateTime: '2026/01/02-03:00:20' };
/** Units speak every second; one that falls silent is offline. */
const SPEAKS_MSEC = 1_000;

const EMULATED: EmulationState = {
  time: 0,
  speed: 60,
  houses: HOUSES.map((id) => ({
    houseId: id,
    unitId: id,
    rsoc: 50,
    capacityWh: 4800,
    pvW: 800,
    loadW: 300,
    faults: id === 'E003' ? ['pvDead'] : [],
  })),
  branches: [{ branch: 'E001-E002', isBroken: false }],
};

/** Four scripted houses that share power, and the flow that shows them; one for each test file, for Node-RED lives once per process. */
export class ShownCommunity {
  readonly community: FakeCommunity;
  readonly runtime: Runtime;
  /** What houses are called by their own configuration, where that is not their id. */
  readonly names: Record<string, string> = {};
  /** Its unit tells old values. */
  isE003Stale = false;
  #revision = 1;

  static async start(test: { teardown(act: () => unknown): unknown }): Promise<ShownCommunity> {
    const community = await aFakeCommunity(HOUSES, { speed: 60, emulation: () => EMULATED });
    process.env.APIS_DATA = community.dataDir;
    const shown = new ShownCommunity(community, await startRuntime(FLOW));
    shown.everybodySpeaks();
    shown.dealsRun(264);
    const heartbeat = setInterval(() => shown.everybodySpeaks(), SPEAKS_MSEC);
    test.teardown(async () => {
      clearInterval(heartbeat);
      await shown.runtime.stop();
      await community.stop();
    });
    return shown;
  }

  private constructor(community: FakeCommunity, runtime: Runtime) {
    this.community = community;
    this.runtime = runtime;
  }

  everybodySpeaks(): void {
    this.#say('E001', '0x0041', 2, 31);
    this.#say('E002', '0x0014', -3, 82);
    this.#say('E003', '0x0000', 0, 54, this.isE003Stale);
    this.#say('E004', '0x0041', 1, 17);
  }

  /** Two deals under way, the second a little behind. */
  dealsRun(doneWh: number): void {
    this.#revision += 1;
    const { bus } = this.community.unit('E002');
    const deal = { ...STARTED, revision: this.#revision };
    bus.publish('deal', 'd1', aDeal('d1', { ...deal, isMaster: true, cumulateAmountWh: doneWh, dealAmountWh: 500 }));
    const second = { chargeUnitId: 'E004', dealGridCurrentA: 1, cumulateAmountWh: doneWh / 2, dealAmountWh: 300 };
    bus.publish('deal', 'd2', aDeal('d2', { ...deal, ...second }));
    bus.publish('grid', '', aGrid('E002', { voltageReferenceUnitId: 'E002' }));
  }

  /** Lets a house say what its converter does. */
  #say(unitId: string, code: string, ig: number, rsoc: number, isStale = false): void {
    const unit = aUnit(unitId, rsoc);
    const dcdc = {
      ...unit.dcdc,
      status: { ...unit.dcdc.status, status: code },
      meter: { ...unit.dcdc.meter, ig },
      powermeter: { p2: 57 },
    };
    this.community.unit(unitId).bus.publish('unit', '', {
      ...unit,
      oesunit: { ...unit.oesunit, display: this.names[unitId] ?? unitId },
      dcdc,
      ...(isStale ? { stale: true as const } : {}),
    });
  }
}
