import { demoPolicy } from '../../src/config/defaults.ts';
import type { Policy } from '../../src/config/policy.ts';
import { CONVERTER_MODES, type ConverterMode, CURRENT_SIGN } from '../../src/domain/converter-mode.ts';
import { type Deal, isNewerCopy } from '../../src/domain/deal.ts';
import { AT_REST, type DeviceCommand } from '../../src/domain/device-command.ts';
import { PeerError } from '../../src/domain/errors.ts';
import type { FaultInput } from '../../src/domain/fault.ts';
import type { CommandBody } from '../../src/domain/messages.ts';
import type { OperationMode } from '../../src/domain/operation-mode.ts';
import { formatTimestamp } from '../../src/domain/timestamp.ts';
import type { Dcdc, UnitData } from '../../src/domain/unit-data.ts';
import {
  type CommunityChange,
  type Confirmation,
  type GridDraft,
  GridMaster,
  type GridMasterNeeds,
} from '../../src/grid-master/index.ts';
import { sleep } from '../../src/ports/clock.ts';
import { SeededEntropy } from '../../src/ports/entropy.ts';
import { collectingLog, type LogLine } from '../../src/ports/log.ts';
import { VirtualClock } from '../../src/ports/virtual-clock.ts';

export const UNITS = ['E001', 'E002', 'E003', 'E004'] as const;
const START = Date.UTC(2026, 0, 1);

/**
 * What a command does beside its effect: `refuse` answers no, `silent` never answers, `deaf` does nothing at all;
 * `restarted` and `atRest` meet a unit that has gone to WAIT by itself.
 */
export type Fate = 'obey' | 'refuse' | 'silent' | 'deaf' | 'restarted' | 'atRest';

/** A policy for these tests: the demo's, without large units, with more rooms for override. */
export function gridPolicy(
  more: { readonly gridMaster?: Partial<Policy['gridMaster']>; readonly policy?: Partial<Policy> } = {},
): Policy {
  const base = demoPolicy(UNITS);
  return { ...base, largeCapacityUnitIds: [], ...more.policy, gridMaster: { ...base.gridMaster, ...more.gridMaster } };
}

let dealCount = 0;

/** A created deal of 1 A and 50 Wh from `discharge` to `charge`. */
export function aDeal(charge: string, discharge: string, marks: Partial<Deal> = {}): Deal {
  dealCount += 1;
  return {
    dealId: `d${String(dealCount)}`,
    unitId: charge,
    negotiationId: `n${String(dealCount)}`,
    requestUnitId: charge,
    acceptUnitId: discharge,
    requestDateTime: '2026/01/01-00:00:00',
    acceptDateTime: '2026/01/01-00:00:00',
    requestPointPerWh: 10,
    acceptPointPerWh: 10,
    requestDealGridCurrentA: 1,
    acceptDealGridCurrentA: 1,
    type: 'charge',
    chargeUnitId: charge,
    dischargeUnitId: discharge,
    pointPerWh: 10,
    chargeUnitEfficientGridVoltageV: null,
    dischargeUnitEfficientGridVoltageV: null,
    dealGridCurrentA: 1,
    requestAmountWh: 50,
    acceptAmountWh: 50,
    dealAmountWh: 50,
    createDateTime: '2026/01/01-00:00:00',
    term: 0,
    revision: 1,
    ...marks,
  };
}

/** One scripted unit: its converter, its battery, its copies of deals. */
export class ScriptedUnit {
  readonly unitId: string;
  mode: ConverterMode = 'WAIT';
  dvg = 350;
  drg = 0;
  dig = 0;
  rsoc = 50;
  capacityA = 2.3;
  /** What the converter really moves, over what it was told. */
  gain = 1;
  energyWh = 0;
  /** Bus voltage that its battery wants, when it says. */
  efficientV: number | undefined;
  /** What its meter shows behind a broken line. */
  vg: number | undefined;
  /** What its meter shows in WAIT. */
  waitCurrentA = 0;
  /** What of the grid power arrives in the battery. */
  batteryFactor = 1;
  isAlive = true;
  isStale = false;
  /** Its data do not come of themselves: its machine, or its flow, is busy. */
  isBehind = false;
  /** A write of it is not settled: its converter may be out of WAIT, whatever was read (RULE-3). */
  isUnsettled = false;
  readonly deals = new Map<string, Deal>();
  /** Every revision that was journalled, for the order of intents. */
  readonly journal: Deal[] = [];

  constructor(unitId: string) {
    this.unitId = unitId;
  }
}

/** A community of scripted units on one ideal bus: commands act after `latencyMsec`, currents follow at once. */
export class ScriptedGrid {
  readonly clock = new VirtualClock(START);
  readonly units = new Map<string, ScriptedUnit>();
  readonly faults: FaultInput[] = [];
  readonly lines: LogLine[] = [];
  readonly finished: Deal[] = [];
  readonly published: GridDraft[] = [];
  /** To whom the office was offered; undefined: taken back. */
  readonly offers: (string | undefined)[] = [];
  /** Device commands in the order in which units received them: `E001 WAIT`, `E002 CHARGE 1`. */
  readonly commands: string[] = [];
  /** Everything that broke a rule of the bus while the test ran. */
  readonly violations: string[] = [];
  policy: Policy;
  mode: OperationMode = 'autonomous';
  latencyMsec = 20;
  /** How long a unit takes to journal a deal. */
  updateMsec = 4;
  /** Volts per second of the ramp; undefined follows at once. */
  slewVPerSec: number | undefined;
  decayVPerSec = 1_000;
  /** Voltage that somebody outside holds on the bus. */
  heldV = 0;
  leakA = 0;
  fate: (unitId: string, body: CommandBody) => Fate = () => 'obey';
  /** Commands whose promise never settles. */
  hang: (unitId: string, body: CommandBody) => boolean = () => false;
  brokenCommunity = false;
  hasGlobalErrors = false;
  hasQuorum = true;
  busV = 0;
  readonly master: GridMaster;
  #at = 0;
  readonly #handlers = new Set<(what: CommunityChange) => void>();
  readonly #pushed = new Map<string, { data: UnitData; at: number }>();

  constructor(policy: Policy = gridPolicy(), term = 1) {
    this.policy = policy;
    for (const unitId of policy.memberUnitIds) this.units.set(unitId, new ScriptedUnit(unitId));
    this.master = this.newMaster(term);
    this.#pushAll();
  }

  newMaster(term: number): GridMaster {
    return new GridMaster(this.needs(term));
  }

  needs(term = 1): GridMasterNeeds {
    return {
      unitId: 'E001',
      term,
      clock: this.clock,
      entropy: new SeededEntropy(1),
      log: collectingLog((line) => this.lines.push(line)),
      policy: () => this.policy,
      community: {
        unit: (unitId) => this.#pushed.get(unitId),
        isAlive: (unitId) => this.units.get(unitId)?.isAlive ?? false,
        deals: () => {
          if (this.brokenCommunity) throw new Error('broken');
          return this.#copies();
        },
        onChange: (handle) => {
          this.#handlers.add(handle);
          return () => this.#handlers.delete(handle);
        },
      },
      mode: () => this.mode,
      hasGlobalErrors: () => this.hasGlobalErrors,
      hasQuorum: () => this.hasQuorum,
      hearsUs: () => true,
      offerLeadership: (unitId) => {
        this.offers.push(unitId);
      },
      command: (to, body, deadlineMsec) => this.#command(to, body, deadlineMsec),
      publish: (state) => {
        this.published.push(state);
      },
      finished: (deal) => {
        this.finished.push(deal);
        for (const unit of this.units.values()) unit.deals.delete(deal.dealId);
      },
      raise: (fault) => {
        this.faults.push(fault);
      },
    };
  }

  unit(unitId: string): ScriptedUnit {
    const unit = this.units.get(unitId);
    if (unit === undefined) throw new Error(`no unit ${unitId}`);
    return unit;
  }

  get grid(): GridDraft | undefined {
    return this.published.at(-1);
  }

  /** Newest record of a deal at its parties, or the one that has left. */
  deal(dealId: string): Deal {
    const copies = [...this.units.values()].flatMap((unit) => unit.journal.filter((one) => one.dealId === dealId));
    const newest = copies.reduce<Deal | undefined>(
      (best, one) => (best === undefined || isNewerCopy(one, best) ? one : best),
      undefined,
    );
    if (newest === undefined) throw new Error(`no deal ${dealId}`);
    return newest;
  }

  /** Both parties hold the deal from now on. */
  add(...deals: readonly Deal[]): void {
    for (const deal of deals) {
      for (const unitId of [deal.chargeUnitId, deal.dischargeUnitId]) {
        this.unit(unitId).deals.set(deal.dealId, deal);
        this.unit(unitId).journal.push(deal);
      }
    }
    this.change('deal');
  }

  change(what: CommunityChange): void {
    for (const handle of this.#handlers) handle(what);
  }

  setMode(mode: OperationMode): void {
    this.mode = mode;
    this.change('mode');
  }

  kill(unitId: string): void {
    this.unit(unitId).isAlive = false;
    this.change('members');
  }

  /** A unit that has died, and of which nothing was ever heard in this term. */
  neverHeard(unitId: string): void {
    this.#pushed.delete(unitId);
    this.kill(unitId);
  }

  /** The unit pushes its data now. */
  push(unitId: string): void {
    this.#settle();
    if (!this.unit(unitId).isAlive) return;
    this.#pushed.set(unitId, { data: this.dataOf(unitId), at: this.clock.monotonic() });
    this.change('unit');
  }

  async run(msec: number): Promise<void> {
    await this.clock.advance(msec);
    this.#settle();
  }

  runUntil(condition: () => boolean, limitMsec = 20 * 60_000): Promise<boolean> {
    return this.clock.runUntil(condition, limitMsec);
  }

  isStarted(dealId: string): boolean {
    return this.deal(dealId).startDateTime !== undefined;
  }

  isGone(dealId: string): boolean {
    return this.finished.some((deal) => deal.dealId === dealId);
  }

  get modes(): Record<string, ConverterMode> {
    return Object.fromEntries([...this.units.values()].map((unit) => [unit.unitId, unit.mode]));
  }

  /** Grid current of a unit: constant current by its command, the references share what the others leave over. */
  currentA(unitId: string): number {
    const unit = this.unit(unitId);
    if (unit.mode === 'WAIT') return unit.waitCurrentA;
    if (unit.mode !== 'VOLTAGE_REFERENCE') {
      return this.busV < 100 ? 0 : CURRENT_SIGN[unit.mode] * unit.dig * unit.gain;
    }
    const all = [...this.units.values()];
    const holders = all.filter((one) => one.mode === 'VOLTAGE_REFERENCE').length;
    const rest = all.filter((one) => one.mode !== 'VOLTAGE_REFERENCE');
    return -rest.reduce((sum, one) => sum + this.currentA(one.unitId), this.leakA) / holders;
  }

  dcdcOf(unitId: string): Dcdc {
    const { mode, dvg, drg, dig, batteryFactor } = this.unit(unitId);
    const ig = this.currentA(unitId);
    const vg = this.unit(unitId).vg ?? this.busV;
    const wg = ig * vg;
    const wb = wg * batteryFactor;
    const { code, operationMode, runningState } = CONVERTER_MODES[mode];
    return {
      status: { status: code, operationMode, alarmState: 'No alarm', runningState },
      meter: { vg, ig, wg, vb: 52, ib: wb / 52, wb, tmp: 25 },
      vdis: { dvg, drg },
      param: { dig },
    };
  }

  dataOf(unitId: string): UnitData {
    const unit = this.unit(unitId);
    const dealIds = [...unit.deals.keys()];
    return {
      time: formatTimestamp(this.clock.now()),
      oesunit: {
        communityId: 'c',
        clusterId: 'k',
        id: unitId,
        display: unitId,
        sn: 'NA',
        budo: '1',
        ip: 'NA',
        ipv6_ll: 'NA',
        ipv6_g: 'NA',
        mac: 'NA',
      },
      dcdc: this.dcdcOf(unitId),
      battery: { rsoc: unit.rsoc, battery_operation_status: 3 },
      apis: {
        version: '3.0.0',
        remaining_capacity_wh: 48 * unit.rsoc,
        deal_interlock_capacity: 2,
        energy_wh: unit.energyWh,
        ...(unit.efficientV === undefined ? {} : { efficient_grid_voltage_v: unit.efficientV }),
        ...(dealIds.length === 0 ? {} : { deal_id_list: dealIds }),
        operation_mode: { global: this.mode, local: null, effective: this.mode },
      },
      ...(unit.isStale ? { stale: true } : {}),
      ...(unit.isUnsettled ? { possiblyActive: true } : {}),
    };
  }

  #copies(): { deal: Deal; holders: string[] }[] {
    const ids = new Set([...this.units.values()].flatMap((unit) => [...unit.deals.keys()]));
    return [...ids].map((dealId) => {
      const holders = [...this.units.values()].filter((unit) => unit.deals.has(dealId));
      const copies = holders.map((unit) => unit.deals.get(dealId)).filter((deal) => deal !== undefined);
      return {
        deal: copies.reduce((best, one) => (isNewerCopy(one, best) ? one : best)),
        holders: holders.map((unit) => unit.unitId),
      };
    });
  }

  async #command(to: string, body: CommandBody, deadlineMsec: number): Promise<Confirmation> {
    const unit = this.unit(to);
    const fate = unit.isAlive ? this.fate(to, body) : 'deaf';
    if (body.kind === 'control') this.commands.push(`${to} ${commandText(body.device)}`);
    if (fate === 'deaf') {
      await sleep(this.clock, deadlineMsec);
      throw new PeerError('peer.timeout', to, `${to} did not answer within ${String(deadlineMsec)} ms`);
    }
    if (this.hang(to, body)) await new Promise(() => {});
    await sleep(this.clock, body.kind === 'deal.update' ? this.updateMsec : this.latencyMsec);
    this.#settle();
    if (fate === 'restarted') {
      unit.mode = 'WAIT'; // RULE-17
      throw new PeerError('peer.restarted', to, `${to} has begun anew and does not answer`);
    }
    if (fate === 'atRest') {
      Object.assign(unit, { mode: 'WAIT', dig: 0 });
      throw new PeerError(AT_REST, to, `${to} refused ${body.kind}: the converter is in WAIT`);
    }
    if (fate === 'refuse') throw new PeerError('peer.refused', to, `${to} refuses ${body.kind}`);
    const reply = this.#obey(unit, body);
    if (fate === 'silent') {
      await sleep(this.clock, deadlineMsec);
      throw new PeerError('peer.timeout', to, `${to} did not answer within ${String(deadlineMsec)} ms`);
    }
    return reply;
  }

  #obey(unit: ScriptedUnit, body: CommandBody): Confirmation {
    if (body.kind === 'deal.update') {
      unit.deals.set(body.deal.dealId, body.deal);
      unit.journal.push(body.deal);
      return { ok: true };
    }
    if (body.kind === 'control') {
      this.#checkPermit(unit, body.device);
      this.#act(unit, body.device);
      this.#settle();
      this.#checkReferences();
    }
    if (body.kind === 'read' && body.what === 'unit') return { ok: true, unit: this.dataOf(unit.unitId) };
    return { ok: true, dcdc: this.dcdcOf(unit.unitId) };
  }

  /** What a command makes of a unit; nothing for those that only look. */
  #act(unit: ScriptedUnit, device: DeviceCommand): void {
    const to = (mode: ConverterMode, dvg: number, dig: number, drg = 0): Partial<ScriptedUnit> => ({
      mode,
      dvg,
      dig,
      drg,
    });
    const currentA = 'gridCurrentA' in device ? (device.gridCurrentA ?? 0) : 0;
    const voltageV = 'gridVoltageV' in device ? (device.gridVoltageV ?? this.busV) : this.busV;
    const next = 'mode' in device ? (device.mode ?? 'WAIT') : 'WAIT';
    const effects: Record<DeviceCommand['command'], Partial<ScriptedUnit>> = {
      WAIT: to('WAIT', 350, 0),
      scram: to('WAIT', 350, 0),
      CHARGE: to('CHARGE', 350, currentA),
      DISCHARGE: to('DISCHARGE', 380, currentA),
      VOLTAGE_REFERENCE: to('VOLTAGE_REFERENCE', 350, unit.capacityA),
      voltage: { dvg: voltageV },
      current: { dig: currentA },
      voltageReferenceAuthorization: {},
      voltageReferenceWillHandOver: { drg: 0.039 },
      voltageReferenceWillTakeOver: to('VOLTAGE_REFERENCE', voltageV, unit.capacityA, 0.039),
      voltageReferenceDidHandOver: to(next, 350, currentA),
      voltageReferenceDidTakeOver: { drg: 0 },
    };
    Object.assign(unit, effects[device.command]);
  }

  /** INV-2: whoever is put out of WAIT holds a permit for it that was published before the command. */
  #checkPermit(unit: ScriptedUnit, { command }: DeviceCommand): void {
    const wanted: Partial<Record<DeviceCommand['command'], ConverterMode>> = {
      CHARGE: 'CHARGE',
      DISCHARGE: 'DISCHARGE',
      VOLTAGE_REFERENCE: 'VOLTAGE_REFERENCE',
      voltageReferenceWillTakeOver: 'VOLTAGE_REFERENCE',
      current: unit.mode,
    };
    const mode = wanted[command];
    if (mode === undefined || mode === 'WAIT') return;
    const permit = this.grid?.permits.find((one) => one.unitId === unit.unitId);
    if (!permit?.modes.includes(mode)) this.violations.push(`INV-2 ${unit.unitId} ${command} without permit`);
    const isIntended = permit?.dealIds.every((dealId) => unit.deals.get(dealId)?.activateDateTime !== undefined);
    if (isIntended !== true) this.violations.push(`INV-7 ${unit.unitId} ${command} before the record`);
  }

  /** INV-1: one reference, or two with droop; INV-4 and INV-9: no converter beyond its capacity. */
  #checkReferences(): void {
    const holders = [...this.units.values()].filter((unit) => unit.mode === 'VOLTAGE_REFERENCE');
    if (holders.length > 2 || (holders.length === 2 && holders.some((unit) => unit.drg === 0))) {
      this.violations.push(`INV-1 ${holders.map((unit) => `${unit.unitId}(${String(unit.drg)})`).join(' ')}`);
    }
    for (const unit of this.units.values()) {
      if (Math.abs(this.currentA(unit.unitId)) > unit.capacityA + 1e-6) {
        this.violations.push(`INV-9 ${unit.unitId} carries ${String(this.currentA(unit.unitId))} A`);
      }
    }
  }

  /** Lets the bus and the counters catch up with the clock. */
  #settle(): void {
    const now = this.clock.monotonic();
    const elapsedMsec = now - this.#at;
    this.#at = now;
    for (const unit of this.units.values()) {
      unit.energyWh += (unit.batteryFactor * this.currentA(unit.unitId) * this.busV * elapsedMsec) / 3_600_000;
    }
    const holder = [...this.units.values()].find((unit) => unit.mode === 'VOLTAGE_REFERENCE');
    const target = Math.max(holder?.dvg ?? 0, this.heldV);
    if (target > this.busV) {
      const risenV = this.slewVPerSec === undefined ? Infinity : (this.slewVPerSec * elapsedMsec) / 1_000;
      this.busV = Math.min(target, this.busV + risenV);
    } else {
      const fallenV = holder === undefined ? (this.decayVPerSec * elapsedMsec) / 1_000 : Infinity;
      this.busV = Math.max(target, this.busV - fallenV);
    }
  }

  #pushAll(): void {
    for (const { unitId, isBehind } of this.units.values()) if (!isBehind) this.push(unitId);
    this.clock.after(1_000, () => this.#pushAll());
  }
}

const commandText = (device: DeviceCommand): string => {
  const current = 'gridCurrentA' in device && device.gridCurrentA !== undefined ? ` ${round(device.gridCurrentA)}` : '';
  const mode = 'mode' in device && device.mode !== undefined ? ` ${device.mode}` : '';
  const how = 'descent' in device && device.descent === 'none' ? ' at once' : '';
  return `${device.command}${how}${mode}${current}`;
};

const round = (value: number): string => String(Math.round(value * 1_000) / 1_000);
