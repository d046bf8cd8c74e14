import type { ConverterMode } from '../../domain/converter-mode.ts';
import { type Deal, isActivated, isDeactivated, isInvolved, isNewerCopy, isStarted } from '../../domain/deal.ts';
import type { CommandBody, ElectionState, GridState } from '../../domain/messages.ts';
import type { Milliseconds } from '../../domain/quantities.ts';
import type { Delivery } from '../../ports/bus.ts';
import type { ModeSetting } from '../../ports/device.ts';
import type { MemoryBusHub } from '../../ports/memory-bus.ts';
import type { Invariant } from './finding.ts';
import type { HouseDisk } from './house-disk.ts';

type AnyDelivery = Parameters<Parameters<MemoryBusHub['tap']>[0]>[0];

export interface TrafficNeeds {
  now(): Milliseconds;
  disk(unitId: string): HouseDisk | undefined;
  /** Something was said or done that never may be. */
  violated(invariant: Invariant, subject: string, message: string): void;
}

interface Speaker {
  session: string;
  /** When each beacon of this session was sent. */
  readonly beacons: Map<number, Milliseconds>;
  /** Latest end of the permits given to this session, by mode. */
  readonly permits: Map<ConverterMode, Milliseconds>;
  /** Terms of the device commands that it has been sent and has not answered. */
  readonly commands: Map<string, number>;
  promisedTerm: number;
  /** As grid master it has raised or granted with its last word. */
  grants: boolean;
}

const RAISING: ReadonlySet<string> = new Set(['CHARGE', 'DISCHARGE', 'VOLTAGE_REFERENCE']);

/** Reads along on the bus: what permits can exist, and the rules about what may be said (INV-6, INV-7). */
export class Traffic {
  readonly #needs: TrafficNeeds;
  readonly #speakers = new Map<string, Speaker>();
  readonly #masters = new Map<number, string>();
  readonly #copies = new Map<string, Deal>();
  /** Every deal that was ever seen started, in its newest copy. */
  readonly #started = new Map<string, Deal>();

  constructor(needs: TrafficNeeds) {
    this.#needs = needs;
  }

  get startedDeals(): ReadonlyMap<string, Deal> {
    return this.#started;
  }

  /** Latest end of any permit that the unit's present session can hold for a mode (RULE-1). */
  permitUntil(unitId: string, mode: ConverterMode): Milliseconds {
    return this.#speakers.get(unitId)?.permits.get(mode) ?? Number.NEGATIVE_INFINITY;
  }

  /** The last `grid` of the unit's present session raised or granted something. */
  grants(unitId: string): boolean {
    return this.#speakers.get(unitId)?.grants === true;
  }

  /** A message at the moment in which it is said. */
  see(delivery: AnyDelivery): void {
    const { channel, key, envelope } = delivery as Delivery<AnyDelivery['channel']>;
    const speaker = this.#speaker(envelope.sender, envelope.session);
    if (channel === 'election') this.#election(envelope.sender, speaker, envelope.body as ElectionState);
    else if (channel === 'grid') this.#grid(speaker, envelope.body as GridState);
    else if (channel === 'deal') this.#deal(envelope.sender, envelope.body as Deal);
    else if (channel === 'command') this.#command(key, envelope.body as CommandBody, envelope.term);
    else if (channel === 'reply') speaker.commands.delete(key.slice(key.indexOf('/') + 1));
  }

  /** A driver write as it leaves a unit: by a promised term (INV-6), and with its intent on the disk (INV-7). */
  wrote(unitId: string, setting: Partial<ModeSetting>): void {
    if (setting.mode === undefined || !RAISING.has(setting.mode)) return;
    const speaker = this.#speakers.get(unitId);
    const terms = [...(speaker?.commands.values() ?? [])];
    if (speaker !== undefined && terms.length > 0 && terms.every((term) => term < speaker.promisedTerm)) {
      const message = `${unitId} goes to ${setting.mode} by a command of term ${Math.max(...terms)}, it has promised term ${speaker.promisedTerm}`;
      this.#needs.violated('INV-6', unitId, message);
    }
    const deals = this.#needs.disk(unitId)?.activeDeals() ?? [];
    if (deals.some((deal) => isInvolved(deal, unitId) && isActivated(deal) && !isDeactivated(deal))) return;
    this.#needs.violated('INV-7', unitId, `${unitId} goes to ${setting.mode} with no activated deal in its journal`);
  }

  #speaker(unitId: string, session: string): Speaker {
    const known = this.#speakers.get(unitId);
    if (known?.session === session) return known;
    const promisedTerm = known?.promisedTerm ?? 0;
    const fresh = { session, beacons: new Map(), permits: new Map(), commands: new Map(), promisedTerm, grants: false };
    this.#speakers.set(unitId, fresh);
    return fresh;
  }

  /** INV-6: a unit never takes a promise back; INV-7: what it announces is durable. */
  #election(unitId: string, speaker: Speaker, state: ElectionState): void {
    speaker.beacons.set(state.beacon, this.#needs.now());
    if (speaker.beacons.size > 200) speaker.beacons.delete(speaker.beacons.keys().next().value ?? 0);
    if (state.term < speaker.promisedTerm) {
      this.#needs.violated('INV-6', unitId, `${unitId} announces term ${state.term} after ${speaker.promisedTerm}`);
    }
    speaker.promisedTerm = Math.max(speaker.promisedTerm, state.term);
    const vow = this.#needs.disk(unitId)?.peek('vow') as { term: number } | undefined; // only the unit writes it
    if (state.term > (vow?.term ?? 0)) {
      this.#needs.violated(
        'INV-7',
        unitId,
        `${unitId} announces term ${state.term}, its disk says ${vow?.term ?? 'nothing'}`,
      );
    }
  }

  #grid(speaker: Speaker, grid: GridState): void {
    speaker.grants = grid.granting || grid.permits.length > 0;
    const master = this.#masters.get(grid.term);
    if (master !== undefined && master !== grid.gridMasterUnitId) {
      const message = `${master} and ${grid.gridMasterUnitId} are both grid master of term ${grid.term}`;
      this.#needs.violated('INV-6', `term ${grid.term}`, message);
    }
    this.#masters.set(grid.term, grid.gridMasterUnitId);
    for (const permit of grid.permits) {
      const holder = this.#speakers.get(permit.unitId);
      const sentAt = holder?.session === permit.session ? holder.beacons.get(permit.beacon) : undefined;
      if (holder === undefined || sentAt === undefined) continue;
      const until = sentAt + grid.permitMsec;
      for (const mode of permit.modes) {
        holder.permits.set(mode, Math.max(until, holder.permits.get(mode) ?? until));
      }
    }
  }

  /** INV-6: a holder's copy of a deal only grows younger. */
  #deal(unitId: string, deal: Deal): void {
    const key = `${unitId}/${deal.dealId}`;
    const known = this.#copies.get(key);
    if (known !== undefined && isNewerCopy(known, deal)) {
      const message = `${unitId} publishes ${deal.dealId} of (${deal.term}, ${deal.revision}) after (${known.term}, ${known.revision})`;
      this.#needs.violated('INV-6', key, message);
    }
    this.#copies.set(key, deal);
    if (!isStarted(deal)) return;
    const seen = this.#started.get(deal.dealId);
    if (seen === undefined || isNewerCopy(deal, seen)) this.#started.set(deal.dealId, deal);
  }

  /** Commands to a unit wait here for its answer; `key` is `<toUnit>/<id>`, the answer's `<fromUnit>/<id>`. */
  #command(key: string, body: CommandBody, term: number): void {
    if (body.kind !== 'control') return;
    const [to = '', ...id] = key.split('/');
    this.#speakers.get(to)?.commands.set(id.join('/'), term);
  }
}
