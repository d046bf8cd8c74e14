import { demoHwConfig, demoPolicy } from '../../src/config/defaults.ts';
import type { HwConfig } from '../../src/config/hw-config.ts';
import type { Policy } from '../../src/config/policy.ts';
import { Controller } from '../../src/controller/index.ts';
import type { HeldPermit } from '../../src/controller/needs.ts';
import type { ConverterMode } from '../../src/domain/converter-mode.ts';
import type { Deal } from '../../src/domain/deal.ts';
import type { DeviceCommand } from '../../src/domain/device-command.ts';
import type { FaultInput } from '../../src/domain/fault.ts';
import type { OperationMode } from '../../src/domain/operation-mode.ts';
import type { Dcdc } from '../../src/domain/unit-data.ts';
import { SeededEntropy } from '../../src/ports/entropy.ts';
import { collectingLog } from '../../src/ports/log.ts';
import { VirtualClock } from '../../src/ports/virtual-clock.ts';
import { FakeConverter } from './fake-converter.ts';

export const ANY_MODE: readonly ConverterMode[] = ['WAIT', 'VOLTAGE_REFERENCE', 'CHARGE', 'DISCHARGE'];

/** A deal of E001 (charge) with E002, activated but not warmed up unless said otherwise: voltage reference, charging and WAIT all fit. */
export const aDeal = (marks: Partial<Deal> = {}): Deal => ({
  dealId: 'd1',
  unitId: 'E001',
  negotiationId: 'n1',
  requestUnitId: 'E001',
  acceptUnitId: 'E002',
  requestDateTime: '2026/01/01-00:00:00',
  acceptDateTime: '2026/01/01-00:00:00',
  requestPointPerWh: 10,
  acceptPointPerWh: 10,
  requestDealGridCurrentA: 1,
  acceptDealGridCurrentA: 1,
  type: 'charge',
  chargeUnitId: 'E001',
  dischargeUnitId: 'E002',
  pointPerWh: 10,
  chargeUnitEfficientGridVoltageV: null,
  dischargeUnitEfficientGridVoltageV: null,
  dealGridCurrentA: 1,
  requestAmountWh: 50,
  acceptAmountWh: 50,
  dealAmountWh: 50,
  createDateTime: '2026/01/01-00:00:00',
  activateDateTime: '2026/01/01-00:00:01',
  term: 1,
  revision: 1,
  ...marks,
});

type Settled =
  | { readonly ok: true; readonly dcdc: Dcdc }
  | { readonly ok: false; readonly error: Error & { reason?: string } };

/** One controller on a virtual clock, with a fake converter and everything else in plain sight. */
export class ControllerRoom {
  readonly clock = new VirtualClock(0);
  readonly device = new FakeConverter(this.clock);
  readonly faults: FaultInput[] = [];
  readonly events: string[] = [];
  /** When the measuring loop went round, and by when it promised to do so again. */
  readonly beats: { readonly at: number; readonly nextBy: number }[] = [];
  policy: Policy = demoPolicy(['E001', 'E002']);
  hwConfig: HwConfig = demoHwConfig();
  effectiveMode: OperationMode = 'autonomous';
  deals: readonly Deal[] = [aDeal()];
  permit: HeldPermit | undefined = { modes: ANY_MODE, expiresAt: Number.POSITIVE_INFINITY };
  readonly controller = new Controller({
    unitId: 'E001',
    device: this.device,
    clock: this.clock,
    entropy: new SeededEntropy(1),
    log: collectingLog(({ event }) => this.events.push(event)),
    policy: () => this.policy,
    hwConfig: () => this.hwConfig,
    effectiveMode: () => this.effectiveMode,
    ownDeals: () => this.deals,
    permit: () => (this.permit && this.clock.monotonic() < this.permit.expiresAt ? this.permit : undefined),
    raise: (fault) => void this.faults.push(fault),
    pulse: (_loop, withinMsec) => {
      const at = this.clock.monotonic();
      this.beats.push({ at, nextBy: at + withinMsec });
    },
  });

  /** A started controller that has read once; calls and faults so far are forgotten. */
  static async started(prepare: (room: ControllerRoom) => void = () => {}): Promise<ControllerRoom> {
    const room = new ControllerRoom();
    prepare(room);
    const started = room.controller.start();
    await room.clock.advance(100);
    await started;
    room.forget();
    return room;
  }

  timeouts(requestTimeoutMsec: number): void {
    this.policy = { ...this.policy, controller: { ...this.policy.controller, requestTimeoutMsec } };
  }

  forget(): void {
    this.device.calls.length = 0;
    this.device.writes.length = 0;
    this.faults.length = 0;
  }

  get reasons(): readonly string[] {
    return this.faults.map(({ category, level, reason }) => `${category[0]}:L:${level} ${reason}`);
  }

  /** Runs the clock until the work has settled; says how long it took. */
  async settle(work: Promise<Dcdc>, limitMsec = 120_000): Promise<Settled & { readonly tookMsec: number }> {
    const from = this.clock.monotonic();
    let settled: Settled | undefined;
    work.then(
      (dcdc) => {
        settled = { ok: true, dcdc };
      },
      (error) => {
        settled = { ok: false, error };
      },
    );
    await this.clock.runUntil(() => settled !== undefined, limitMsec);
    if (settled === undefined) throw new Error(`not settled within ${limitMsec} ms`);
    return { ...(settled as Settled), tookMsec: this.clock.monotonic() - from };
  }

  run(command: DeviceCommand, fence: () => void = () => {}, signal?: AbortSignal) {
    return this.settle(this.controller.execute(command, fence, signal));
  }

  /** Writes of one command; nothing may fail. */
  async writesOf(command: DeviceCommand): Promise<readonly string[]> {
    this.forget();
    const done = await this.run(command);
    if (!done.ok) throw done.error;
    return [...this.device.writes];
  }
}
