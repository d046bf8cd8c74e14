import { Community } from '../cluster/community.ts';
import { DealJournal } from '../cluster/deal-journal.ts';
import { Election, type Vow } from '../cluster/election.ts';
import { Members } from '../cluster/members.ts';
import { Modes } from '../cluster/modes.ts';
import { PermitHolder } from '../cluster/permit-holder.ts';
import { PolicyBook } from '../cluster/policy-book.ts';
import { Presence } from '../cluster/presence.ts';
import { Requests } from '../cluster/requests.ts';
import { Settlement } from '../cluster/settlement.ts';
import type { HwConfig } from '../config/hw-config.ts';
import { parseConfig } from '../config/load.ts';
import { fixedGridMasterOf, type Policy } from '../config/policy.ts';
import type { Scenario } from '../config/scenario.ts';
import { type Acquired, BatteryCapacity, Controller } from '../controller/index.ts';
import { checkWrite, writeLimits } from '../controller/write-limits.ts';
import { modeOfCode } from '../domain/converter-mode.ts';
import { type Deal, isInvolved, isStopped } from '../domain/deal.ts';
import { DeviceError, messageOf } from '../domain/errors.ts';
import type { Birth, ModeState, OperatorBody } from '../domain/messages.ts';
import { isLowering, type OperationMode } from '../domain/operation-mode.ts';
import type { EpochMsec, Milliseconds } from '../domain/quantities.ts';
import type { DealQuestion } from '../domain/question.ts';
import type { Refusal } from '../domain/trade.ts';
import type { OesUnit, UnitData } from '../domain/unit-data.ts';
import { Market, scenarioNow } from '../market/index.ts';
import type { Bus, Unsubscribe } from '../ports/bus.ts';
import { type Clock, every, sleep, withDeadline } from '../ports/clock.ts';
import type { Device } from '../ports/device.ts';
import type { Entropy } from '../ports/entropy.ts';
import type { ExclusiveLocks } from '../ports/exclusive-locks.ts';
import type { Log } from '../ports/log.ts';
import type { Pulse } from '../ports/pulse.ts';
import type { Store } from '../ports/store.ts';
import { commandDesk } from './command-desk.ts';
import type { FaultHands } from './fault-chains.ts';
import { FaultDesk } from './fault-desk.ts';
import { faultHands } from './fault-hands.ts';
import { GridMasterHost } from './grid-master-host.ts';
import { ManualSession } from './manual-session.ts';
import { ModeDesk } from './mode-desk.ts';
import { OperatorDesk } from './operator-desk.ts';
import { PolicyDesk, readPolicy } from './policy-desk.ts';
import { ReferenceWatch } from './reference-watch.ts';
import { composeUnitData } from './unit-data.ts';
import { watchedStore } from './watched-store.ts';

/** So many heartbeats may be late, one behind the other, before the loop counts as hung. */
const LATE_BEATS = 6;
const VOW_KEY = 'vow';
/** How long a unit that ends waits for its deals to be stopped in order. */
const STAND_DOWN_MSEC = 5_000;
/** A unit that has resigned because of a fault does not stand for so long. */
const RESIGNED_MSEC = 10_000;

export interface UnitOptions {
  readonly identity: Omit<OesUnit, 'budo'>;
  readonly device: Device;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Log;
  readonly store: Store;
  /** Writes the record of a finished deal. */
  readonly saveFinished: (deal: Deal) => Promise<void>;
  readonly policy: () => Policy;
  readonly hwConfig: () => HwConfig;
  readonly scenario: () => Scenario | undefined;
  /** What a policy comes to: equal for equal ones, in whatever order their keys stand (RULE-15). */
  readonly policyHash: (policy: Policy) => string;
  /** Puts a question of the market to whoever wants to be asked before a request or an accept. */
  readonly question?: (question: DealQuestion) => void;
  /** Where other processes use the same battery (`batteryCapacityManagement`). */
  readonly batteryLocks?: ExclusiveLocks;
  /** Told by the unit's control loops (RULE-17). */
  readonly pulse?: Pulse;
  /** Where clients find this unit and its peers. */
  readonly addresses?: Pick<Birth, 'broker' | 'peers'>;
}

/** One unit: the services of a house, wired together (architecture.md §4). */
export class Unit {
  readonly unitId: string;
  readonly #options: UnitOptions;
  readonly #members: Members;
  readonly #presence: Presence;
  readonly #election: Election;
  readonly #permits: PermitHolder;
  readonly #requests: Requests;
  readonly #journal: DealJournal;
  readonly #settlement: Settlement;
  readonly #community: Community;
  readonly #modes: Modes;
  readonly #modeDesk: ModeDesk;
  readonly #faults: FaultDesk;
  readonly #controller: Controller;
  readonly #battery: BatteryCapacity;
  readonly #market: Market;
  readonly #host: GridMasterHost;
  readonly #manual: ManualSession;
  readonly #operator: OperatorDesk;
  readonly #policyBook: PolicyBook;
  readonly #policies: PolicyDesk;
  readonly #referenceWatch: ReferenceWatch;
  readonly #stops: Unsubscribe[] = [];
  #beacon = 0;
  #data: UnitData | undefined;
  #status: string | undefined;
  #wasReachable = false;
  /** The grid master's word that a fault of the cluster is open. */
  #gridHasErrors = false;
  /** After giving the office up because of a fault the others go first. */
  #resignedUntil: Milliseconds = 0;
  /** Sessions of the members as last seen, undefined for who is away. */
  #sessions: readonly (string | undefined)[] = [];
  /** An operator's, in place of the unit's own until it is taken back or the process ends. */
  #scenarioOverride: Scenario | undefined;
  #startedAt: EpochMsec = 0;
  #running = false;
  #isStandingDown = false;

  constructor(options: UnitOptions) {
    this.#options = options;
    const { bus, clock, log, entropy, hwConfig } = options;
    const policy = (): Policy => this.#policyBook.policy();
    const scenario = (): Scenario | undefined => this.#scenario();
    const unitId = bus.unitId;
    this.unitId = unitId;
    const memberUnitIds = (): readonly string[] => policy().memberUnitIds;
    const permitMsec = (): number => policy().gridMaster.permitMsec;

    this.#faults = new FaultDesk({
      bus,
      clock,
      log,
      store: options.store, // what tells a failing store is not told of its own failure
      policy,
      hands: this.#faultHands(),
      leads: () => this.isGridMaster,
      gridMasterUnitId: () => this.#election.gridMasterUnitId,
      quiet: () => this.#relieved(),
    });
    const store = watchedStore(options.store, clock, (key, error) => this.#storeFailed(key, error));
    this.#policyBook = new PolicyBook({
      unitId,
      store,
      log,
      fromFile: options.policy,
      hashOf: options.policyHash,
      parse: readPolicy,
      changed: () => this.#policyChanged(),
    });
    this.#members = new Members({ bus, clock, memberUnitIds });
    this.#presence = new Presence(this.#members, clock);
    this.#permits = new PermitHolder(unitId, bus.session, clock);
    this.#requests = new Requests(bus, clock);
    this.#community = new Community(bus, clock, this.#presence, (id) => memberUnitIds().includes(id));
    this.#modes = new Modes({
      unitId,
      store,
      log,
      now: () => clock.now(),
      newId: () => entropy.uuid(),
      initial: () => policy().operationMode,
      changed: () => this.#modeDesk.changed(),
    });
    this.#modeDesk = new ModeDesk({
      bus,
      clock,
      log,
      store,
      modes: this.#modes,
      isMember: (id) => memberUnitIds().includes(id),
      isGridMaster: () => this.isGridMaster,
      term: () => this.#election.term,
      lower: (value) => this.#operator.operate({ kind: 'mode', value }),
      stamped: () => this.#host.beat(),
      changed: () => this.#community.changed('mode'),
      effectiveChanged: (effective) => this.#effectiveModeChanged(effective),
    });
    this.#journal = new DealJournal({
      bus,
      store,
      log,
      saveFinished: options.saveFinished,
      changed: (deal) => this.#dealChanged(deal),
    });
    this.#settlement = new Settlement({
      bus,
      clock,
      log,
      journal: this.#journal,
      members: this.#members,
      presence: this.#presence,
    });
    this.#election = new Election({
      unitId,
      clock,
      entropy,
      log,
      members: this.#members,
      memberUnitIds,
      permitMsec,
      leaseMsec: () => policy().gridMaster.leaseMsec,
      founder: () => founderOf(policy()),
      persist: (vow) => store.save(VOW_KEY, vow),
      announce: (state) => {
        this.#beacon += 1;
        this.#permits.sentBeacon(this.#beacon);
        bus.publish('election', '', { ...state, session: bus.session, beacon: this.#beacon }, { term: state.term });
      },
      isObserver: () => this.#policies.isOutvoted,
      mayLead: () =>
        !this.#policies.isOutvoted && !this.#faults.isWithdrawn() && clock.monotonic() >= this.#resignedUntil,
      stopMsec: () => (policy().gridMaster.quorum === 'any' ? Number.POSITIVE_INFINITY : policy().gridMaster.leaseMsec),
      quorumLost: () => this.#host.quorumLost(),
      lead: (leading, term) => this.#host.lead(leading, term),
    });
    this.#controller = new Controller({
      unitId,
      device: options.device,
      clock,
      entropy,
      log,
      policy,
      hwConfig,
      effectiveMode: () => this.#modes.effective(),
      ownDeals: () => this.#journal.open(),
      permit: () => this.#manual.permit() ?? this.#permits.current(),
      raise: (fault) => this.#faults.raise(fault),
      ...(options.pulse === undefined ? {} : { pulse: options.pulse }),
    });
    this.#battery = new BatteryCapacity({
      unitId,
      locks: options.batteryLocks,
      failed: (error) => this.#warn('battery.lock-failed', messageOf(error)),
    });
    this.#market = new Market({
      unitId,
      bus,
      clock,
      entropy,
      log,
      policy,
      hwConfig,
      scenario,
      unitData: () => (this.#data?.stale ? undefined : this.#data),
      effectiveMode: () => this.#modes.effective(),
      hasLocalErrors: () => this.#faults.hasLocalErrors(),
      grid: () => ({
        reachable: this.#election.gridMasterUnitId !== undefined,
        hasGlobalErrors: this.#gridHasErrors || this.#faults.hasGlobalErrors(),
      }),
      openDeals: () => this.#slotHolders(),
      battery: this.#battery,
      ...(options.question === undefined ? {} : { question: options.question }),
      aliveMembers: () => this.#members.alive(),
      obstacleWith: (id) => this.#obstacleWith(id),
      propose: async (to, deal, deadlineMsec) => {
        await this.#requests.ask(to, { kind: 'deal.propose', deal }, deadlineMsec, this.#election.term);
      },
      journal: async (deal) => {
        await this.#journal.put(deal);
      },
    });
    this.#manual = new ManualSession({
      unitId,
      clock,
      effectiveMode: () => this.#modes.effective(),
      deals: () => this.#community.deals().map(({ deal }) => deal),
      others: () =>
        memberUnitIds()
          .filter((id) => id !== unitId)
          .flatMap((id) => this.#community.unit(id)?.data ?? []),
      checkRange: (setting) => checkWrite(setting, writeLimits(policy(), hwConfig())),
      execute: (command, fence) => this.#controller.execute(command, fence),
      stopNow: async (reason) => {
        await this.#controller.stopLocal(reason);
      },
      permitChanged: () => this.#controller.permitChanged(),
    });
    this.#operator = new OperatorDesk({
      unitId,
      clock,
      log,
      election: this.#election,
      members: this.#members,
      modes: this.#modes,
      requests: this.#requests,
      memberUnitIds,
      stopNow: async (reason) => {
        await this.#controller.stopLocal(reason);
      },
      acknowledge: (faultId) => this.#faults.acknowledge(faultId),
      schedule: this.#modeDesk.schedule,
      manual: (setPoint) => this.#manual.set(setPoint),
      market: this.#market,
      overrideScenario: (value) => this.#overrideScenario(value),
      checkPolicy: (value) => this.#policyBook.check(value),
      warn: (reason, message) => this.#warn(reason, message),
    });
    this.#policies = new PolicyDesk({
      bus,
      clock,
      log,
      book: this.#policyBook,
      election: this.#election,
      members: this.#members,
      requests: this.#requests,
      community: this.#community,
      hashOf: options.policyHash,
      isFree: () => this.#isFree(),
      raise: (fault) => this.#faults.raise(fault),
      evaluate: (why) => this.#market.evaluate(why),
    });
    this.#referenceWatch = new ReferenceWatch({
      unitId,
      clock,
      members: this.#members,
      converterMode: () => this.#controller.mode,
      permit: () => this.#permits.current(),
      stopNow: (reason) => this.#stopNow(reason),
    });
    this.#host = new GridMasterHost({
      bus,
      clock,
      log,
      election: this.#election,
      members: this.#members,
      memberUnitIds,
      permitMsec,
      heartbeatMsec: () => policy().gridMaster.heartbeatMsec,
      mode: () => this.#modes.global(),
      gridMasterNeeds: (term) => ({
        clock,
        entropy,
        log,
        policy,
        community: {
          unit: (id) => this.#community.unit(id),
          isAlive: (id) => this.#members.isAlive(id),
          deals: () => this.#community.deals(),
          onChange: (handle) => this.#community.onChange(handle),
        },
        mode: () => this.#modes.acting(),
        command: async (to, body, deadlineMsec) => {
          const reply = await this.#requests.ask(to, body, deadlineMsec, term);
          this.#community.hearAnswer(to, reply);
          return reply;
        },
        finished: () => {},
        raise: (fault) => this.#faults.raise(fault),
        hasQuorum: () => this.#election.hasQuorum,
        hearsUs: (unitId) => this.#election.isHearer(unitId),
        hasGlobalErrors: () => this.#faults.hasGlobalErrors(),
        offerLeadership: (unitId) => this.#election.offer(unitId),
      }),
    });
  }

  /** Loads what the last process left, then joins the cluster; resolves when the first reading is there. */
  async start(): Promise<void> {
    const { bus, clock, store } = this.#options;
    const policy = (): Policy => this.#policyBook.policy();
    this.#running = true;
    this.#startedAt = clock.now();
    await this.#policyBook.load();
    await this.#modeDesk.load();
    await this.#journal.load();
    await this.#faults.load();
    this.#keepBattery();
    const vow = (await store.load(VOW_KEY)) as Vow | undefined; // only `persist` above writes it
    this.#stops.push(this.#policies.start());
    this.#stops.push(this.#controller.onAcquired((acquired) => this.#acquired(acquired)));
    await this.#comeToRest();
    bus.publish('birth', '', this.#birth());
    this.#policies.publish();
    this.#members.start();
    this.#community.start();
    this.#settlement.start();
    this.#requests.start(
      commandDesk({
        unitId: this.unitId,
        election: this.#election,
        journal: this.#journal,
        controller: this.#controller,
        isMember: (id) => policy().memberUnitIds.includes(id),
        gridMaster: () => this.#host.gridMaster,
        validateProposal: (deal, from) => this.#market.validateProposal(deal, from),
        unitData: () => this.#data,
        stampMode: (value, ageMsec) => this.#modeDesk.stamp(value, ageMsec),
        emergencyStop: (reason) => this.#operator.emergencyStopHere(reason),
        acknowledge: (faultId) => this.#faults.acknowledge(faultId),
        policies: this.#policyBook,
        setPolicy: (value) => this.#policies.propose(value),
      }),
    );
    this.#stops.push(
      this.#policies.takePart(),
      this.#modeDesk.takePart(),
      this.#members.onBeacon((member) => {
        this.#election.hear(member);
        this.#referenceWatch.hear(member);
      }),
      this.#members.onVanished((id) => {
        this.#election.vacate(id);
        this.#referenceWatch.check();
        this.#noteMembers();
      }),
      this.#members.onCaughtUp(() => {
        this.#referenceWatch.check();
        this.#noteMembers();
      }),
      () => this.#referenceWatch.stop(),
      bus.listen('grid', ({ envelope }) => {
        if (!this.#election.hearGrid(envelope.sender, envelope.body)) return;
        this.#permits.hearGrid(envelope.body);
        this.#controller.permitChanged();
        this.#referenceWatch.check();
        this.#modeDesk.adopt(envelope.body.mode);
        this.#noteGridErrors(envelope.body.hasGlobalErrors);
        if (!this.#wasReachable) this.#market.evaluate('grid-master.reachable');
        this.#wasReachable = true;
      }),
    );
    this.#election.start(vow, store.isOutdated(VOW_KEY));
    this.#modeDesk.publish();
    this.#stops.push(
      every(
        clock,
        () => policy().gridMaster.heartbeatMsec,
        () => {
          this.#members.beat(policy().gridMaster.heartbeatMsec);
          this.#election.tick();
          this.#referenceWatch.check();
          this.#noteMembers();
          this.#presence.note();
          this.#settlement.look();
          this.#community.look();
          this.#faults.check();
          this.#modeDesk.look();
          this.#policies.look();
          this.#host.beat();
          this.#keepBattery();
          this.#options.pulse?.('heartbeat', LATE_BEATS * policy().gridMaster.heartbeatMsec);
        },
      ),
    );
    this.#market.start();
    this.#faults.resume();
  }

  /** RULE-17: reads and, where that is needed, goes to WAIT before anybody counts on this unit; a silent device is not waited for. */
  async #comeToRest(): Promise<void> {
    const { clock, log } = this.#options;
    const policy = (): Policy => this.#policyBook.policy();
    const limitMsec = policy().gridMaster.permitMsec;
    const late = (): DeviceError => new DeviceError('device.no-reply', `the device said nothing for ${limitMsec} ms`);
    try {
      await withDeadline(clock, limitMsec, this.#controller.start(), late);
    } catch (error) {
      log.warn({ message: messageOf(error) }, 'unit.joins-unread');
    }
  }

  /**
   * Agrees to nothing more and has its deals ended in order: asks the grid master, and waits until they are finished
   * or the deadline for stopping has passed. What is left then is for `stop`.
   */
  async standDown(): Promise<void> {
    const { clock } = this.#options;
    this.#isStandingDown = true;
    this.#market.stop();
    const giveUpAt = clock.monotonic() + STAND_DOWN_MSEC;
    const asked = new Set<string>();
    while (this.#journal.open().length > 0 && clock.monotonic() < giveUpAt) {
      for (const { dealId } of this.#journal.open()) {
        if (asked.has(dealId)) continue;
        asked.add(dealId);
        this.#operator.stopDeal(dealId, 'unit.stopping').catch(() => asked.delete(dealId));
      }
      await sleep(clock, 50);
    }
  }

  /** End: the converter goes to WAIT, leadership is given up. Call `standDown` first for an orderly one. */
  async stop(): Promise<void> {
    if (!this.#running) return;
    this.#running = false;
    this.#market.stop();
    this.#faults.stop();
    await this.#controller.stop();
    this.#election.resign();
    for (const stop of this.#stops.splice(0)) stop();
    this.#requests.stop();
    this.#settlement.stop();
    this.#community.stop();
    this.#members.stop();
    this.#battery.keep([]);
  }

  data(): UnitData | undefined {
    return this.#data;
  }

  mode(): ModeState {
    return this.#modeDesk.state();
  }

  deals(): readonly Deal[] {
    return this.#journal.open();
  }

  /** Trading-ready: measured, and a grid master is there. */
  isReady(): boolean {
    return this.#data !== undefined && this.#election.gridMasterUnitId !== undefined;
  }

  /** Members that live, this unit included. */
  present(): readonly string[] {
    return this.#members.alive();
  }

  get isGridMaster(): boolean {
    return this.#host.gridMaster !== undefined;
  }

  /** Scenario or hardware limits are others now: what they make possible is looked at again. */
  settingsChanged(): void {
    this.#options.log.info({}, 'settings.changed');
    this.#market.evaluate('settings.changed');
  }

  #scenario(): Scenario | undefined {
    return this.#scenarioOverride ?? this.#options.scenario();
  }

  /** @throws ConfigError for what is no scenario; the present one stays (INV-11) */
  #overrideScenario(value: unknown): void {
    this.#scenarioOverride =
      value === null ? undefined : parseConfig('scenario', JSON.stringify(value), 'scenario of the operator').value;
    this.settingsChanged();
  }

  /** A file of the user's is not taken over; the last good one stays. */
  settingsRefused(message: string, reason: string): void {
    this.#faults.raise({ category: 'USER', extent: 'LOCAL', level: 'WARN', reason, message });
  }

  /** Something around the unit will need a person soon: a fault that stops nothing. */
  warn(reason: string, message: string): void {
    this.#warn(reason, message);
  }

  onDecision: Market['onDecision'] = (handle) => this.#market.onDecision(handle);

  /** An operator's word to this unit: see `OperatorDesk`. */
  operate(body: OperatorBody): Promise<void> {
    return this.#operator.operate(body);
  }

  /** What the fault table names, done with the services of this unit. */
  #faultHands(): FaultHands {
    const { clock } = this.#options;
    const policy = (): Policy => this.#policyBook.policy();
    return faultHands({
      unitId: this.unitId,
      clock,
      policy,
      converterMode: () => this.#controller.mode,
      stopNow: async (reason) => {
        await this.#controller.stopLocal(reason);
      },
      stopCurrent: async () => {
        await this.#controller.scram(true);
      },
      openDealIds: () => this.#journal.open().map((deal) => deal.dealId),
      askStop: (dealId, reason) => this.#operator.stopDeal(dealId, reason),
      gridMaster: () => this.#host.gridMaster,
      stepDown: () => {
        this.#resignedUntil = clock.monotonic() + RESIGNED_MSEC;
        this.#election.stepDown();
      },
      resetMarket: () => {
        this.#market.stop();
        this.#relieved();
      },
      withdraw: () => this.#market.stop(),
      setMode: (value) => this.#operator.operate({ kind: 'mode', value }),
    });
  }

  #noteGridErrors(present: boolean): void {
    const areOver = this.#gridHasErrors && !present;
    this.#gridHasErrors = present;
    if (areOver) this.#relieved();
  }

  /** No fault keeps this unit from trading any more: it begins, or goes on, at once. */
  #relieved(): void {
    if (!this.#running || this.#isStandingDown || this.#faults.isWithdrawn()) return;
    this.#market.start();
    this.#market.evaluate('faults.over');
  }

  /** Tells the grid master's picture when somebody has come, gone or started anew. */
  #noteMembers(): void {
    const { memberUnitIds } = this.#policyBook.policy();
    const sessionOf = (id: string): string | undefined =>
      this.#members.isAlive(id) ? this.#members.get(id)?.state.session : undefined;
    if (memberUnitIds.every((id, index) => sessionOf(id) === this.#sessions[index])) return;
    this.#sessions = memberUnitIds.map(sessionOf);
    this.#community.changed('members');
  }

  #acquired(acquired: Acquired): void {
    const { bus, clock, hwConfig, identity } = this.#options;
    const data = composeUnitData({
      identity,
      acquired,
      isPossiblyActive: this.#controller.isPossiblyActive,
      mode: this.mode(),
      isGridMaster: this.isGridMaster,
      isWired: this.#options.device.isWired === true,
      isBarred: this.#faults.hasLocalErrors(),
      dealIds: this.#slotHolders().map((deal) => deal.dealId),
      hwConfig: hwConfig(),
      policy: this.#policyBook.policy(),
      clock,
    });
    const isWell = !data.stale && !data.possiblyActive && modeOfCode(data.dcdc.status.status) === 'WAIT';
    this.#faults.measured(acquired.at, isWell);
    const scenario = scenarioNow(this.#scenario(), data);
    this.#data = scenario === undefined ? data : { ...data, scenario };
    bus.publish('unit', '', this.#data, { term: this.#election.term });
    if (scenario?.status !== this.#status) this.#market.evaluate('battery.status-changed');
    this.#status = scenario?.status;
  }

  /** Deals that occupy a slot: from registration until their current has stopped. */
  #slotHolders(): readonly Deal[] {
    return this.#journal.open().filter((deal) => isInvolved(deal, this.unitId) && !isStopped(deal));
  }

  /** The battery belongs to this unit until its converter has nothing to do with it any more: past the slot, to the deal's end. */
  #keepBattery(): void {
    if (this.#options.batteryLocks === undefined) return; // it is nobody else's
    for (const direction of this.#battery.keep([...this.#journal.open(), ...this.#market.takenDeals()])) {
      this.#faults.raise({
        category: 'HARDWARE',
        extent: 'LOCAL',
        level: 'ERROR',
        reason: 'battery.in-use',
        message: `another process has taken the battery to ${direction} while deals of this unit need it`,
      });
    }
  }

  #dealChanged(deal: Deal): void {
    if (isStopped(deal)) this.#market.evaluate('deal.stopped');
  }

  #effectiveModeChanged(effective: OperationMode): void {
    if (effective !== 'manual') this.#manual.end();
    if (effective === 'autonomous') this.#market.evaluate('mode.changed');
    if (isLowering('manual', effective)) void this.#stopHere();
  }

  /**
   * Force stop as this unit does it by itself: constant current to WAIT at once, a voltage reference after the
   * others (RULE-7). The grid master stops the deals in order meanwhile; both ways end in WAIT.
   */
  async #stopHere(): Promise<void> {
    const { clock } = this.#options;
    try {
      await this.#controller.scram(true);
      await sleep(clock, this.#policyBook.policy().controller.scramVoltageReferenceDelayMsec);
      if (this.#modes.effective() === 'stop') await this.#controller.scram(false);
    } catch (error) {
      this.#warn('stop.failed', `the converter did not go to WAIT: ${messageOf(error)}`);
    }
  }

  #stopNow(reason: string): void {
    this.#options.log.warn({ reason }, 'unit.stopped-itself');
    this.#controller
      .stopWithOthers(reason)
      .catch((error: unknown) => this.#warn('stop.failed', `the converter did not go to WAIT: ${messageOf(error)}`));
  }

  #storeFailed(key: string, error: unknown): void {
    const message = `${key} could not be made durable: ${messageOf(error)}`;
    this.#faults.raise({ category: 'FRAMEWORK', extent: 'LOCAL', level: 'ERROR', reason: 'store.failed', message });
  }

  #warn(reason: string, message: string): void {
    this.#faults.raise({ category: 'FRAMEWORK', extent: 'LOCAL', level: 'WARN', reason, message });
  }

  /** Why no deal can come to be with a peer, whatever both want: RULE-15, and RULE-18 when neither may hold the voltage. */
  #obstacleWith(unitId: string): Refusal | undefined {
    const obstacle = this.#policies.obstacleWith(unitId);
    if (obstacle !== undefined) return obstacle;
    const areWired = this.#options.device.isWired && this.#community.unit(unitId)?.data.apis.wired_device;
    return areWired ? { reason: 'partners.both-wired', numbers: { unitId } } : undefined;
  }

  /** RULE-15: nothing of this unit is bound to the present policy. */
  #isFree(): boolean {
    const isAtRest = this.#controller.mode === 'WAIT';
    return isAtRest && this.#journal.open().length === 0 && this.#market.takenDeals().length === 0;
  }

  #policyChanged(): void {
    this.#options.bus.publish('birth', '', this.#birth());
    this.#policies.publish();
    this.#market.evaluate('policy.changed');
  }

  #birth(): Birth {
    const { bus, identity, addresses } = this.#options;
    return {
      unitId: this.unitId,
      session: bus.session,
      version: '0.1.0',
      display: identity.display,
      policyHash: this.#policyBook.hash(),
      startedAt: this.#startedAt,
      ...addresses,
    };
  }
}

/** Who founds a cluster: the fixed grid master where the policy names one, else the smallest id. */
const founderOf = (policy: Policy): string =>
  fixedGridMasterOf(policy) ?? ([...policy.memberUnitIds].sort()[0] as string); // the schema demands a member
