import type { Election } from '../cluster/election.ts';
import type { Members } from '../cluster/members.ts';
import type { Modes } from '../cluster/modes.ts';
import type { Requests } from '../cluster/requests.ts';
import { messageOf, PeerError } from '../domain/errors.ts';
import { type CommandBody, type ManualSetPoint, OPERATOR_ANSWER_MSEC, type OperatorBody } from '../domain/messages.ts';
import type { EpochMsec } from '../domain/quantities.ts';
import { LONGEST_VETO_MSEC } from '../domain/question.ts';
import type { Refusal } from '../domain/trade.ts';
import type { Market } from '../market/index.ts';
import { type Clock, sleep } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';

const REPLY_DEADLINE_MSEC = 2_000;
/** How long an operator's word is tried until the grid master has carried it out; the rest is for its way to us and back. */
const DEADLINE_MSEC = OPERATOR_ANSWER_MSEC - REPLY_DEADLINE_MSEC - 3_000;
const RETRY_MSEC = 250;
const MOST_RETRY_MSEC = 4_000;
/** A flow that says nothing for so long does not want to be asked any more. */
const VETO_HELD_MSEC = 15_000;

export interface OperatorDeskNeeds {
  readonly unitId: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly election: Election;
  readonly members: Members;
  readonly modes: Modes;
  readonly requests: Requests;
  memberUnitIds(): readonly string[];
  /** Own converter to WAIT now. */
  stopNow(reason: string): Promise<void>;
  /** False when the fault is not known here. */
  acknowledge(faultId: string): boolean;
  schedule(scope: 'cluster' | 'unit', at: EpochMsec | null): Promise<void>;
  /** Another scenario for this unit; null takes it back. @throws ConfigError */
  overrideScenario(value: unknown): void;
  /** @throws ConfigError for what is no policy, PeerError for one that the cluster cannot take over */
  checkPolicy(value: object): void;
  readonly market: Pick<Market, 'inject' | 'holdVeto' | 'verdict'>;
  /** Own converter to an operator's set-point (RULE-19). */
  manual(setPoint: ManualSetPoint): Promise<void>;
  /** Something could not be carried out; a warning, because what could be done locally is done. */
  warn(reason: string, message: string): void;
}

type Words = { readonly [K in OperatorBody['kind']]: (body: Extract<OperatorBody, { kind: K }>) => Promise<void> };

/**
 * Takes an operator's word at any unit (architecture.md §3): lowering is in effect here at once and goes on to the
 * grid master; raising is in effect when the grid master's stamp comes back.
 */
export class OperatorDesk {
  readonly #needs: OperatorDeskNeeds;
  readonly #words: Words = {
    mode: (body) => {
      this.#needs.modes.lowerAtOnce(body.value);
      return this.#askGridMaster({ kind: 'mode.set', value: body.value });
    },
    'local-mode': (body) => this.#needs.modes.setLocal(body.value ?? undefined),
    'emergency-stop': (body) => this.#emergencyStopEverywhere(body.reason),
    'deal.stop': (body) => this.stopDeal(body.dealId, body.reason),
    'fault.acknowledge': (body) => this.#acknowledge(body),
    scenario: async (body) => this.#needs.overrideScenario(body.value),
    policy: (body) => {
      this.#needs.checkPolicy(body.value);
      return this.#askGridMaster({ kind: 'policy.set', policy: body.value });
    },
    manual: ({ kind: _, ...setPoint }) => this.#needs.manual(setPoint),
    'deal.request': async ({ kind: _, ...wish }) => {
      const refusal = this.#needs.market.inject(wish);
      if (refusal !== undefined) throw new PeerError(refusal.reason, this.#needs.unitId, textOf(refusal));
    },
    veto: async ({ onSilence, limitMsec = LONGEST_VETO_MSEC, holdMsec = VETO_HELD_MSEC }) =>
      this.#needs.market.holdVeto(onSilence === null ? undefined : { onSilence, limitMsec, holdMsec }),
    verdict: async ({ id, allow, reason = '' }) => {
      if (this.#needs.market.verdict(id, allow, reason)) return;
      throw new PeerError('veto.too-late', this.#needs.unitId, `nobody waits for a word on ${id} any more`);
    },
    schedule: (body) => this.#needs.schedule(body.scope, body.at),
  };

  constructor(needs: OperatorDeskNeeds) {
    this.#needs = needs;
  }

  /** Carries an operator's word out; rejects with `PeerError` when no grid master did its part in time. */
  async operate(body: OperatorBody): Promise<void> {
    this.#needs.log.info({ ...body }, 'operator');
    await (this.#words[body.kind] as (body: OperatorBody) => Promise<void>)(body); // kind and body belong together by type
  }

  /** Asks the grid master to end a deal in order. */
  stopDeal(dealId: string, reason: string): Promise<void> {
    return this.#askGridMaster({ kind: 'deal.stop', dealId, reasons: [reason] });
  }

  /** WAIT now, the voltage reference included: an emergency does not wait for currents to fall. */
  async emergencyStopHere(reason: string): Promise<void> {
    this.#needs.modes.lowerAtOnce('stop');
    await this.#needs.stopNow(reason);
  }

  async #emergencyStopEverywhere(reason: string): Promise<void> {
    const { requests, election, unitId } = this.#needs;
    const others = this.#needs.memberUnitIds().filter((id) => id !== unitId);
    const told = others.map((id) =>
      requests
        .ask(id, { kind: 'emergency-stop', reason }, REPLY_DEADLINE_MSEC, election.term)
        .catch((error: unknown) => this.#needs.warn('emergency-stop.unconfirmed', messageOf(error))),
    );
    await Promise.all([this.emergencyStopHere(reason), ...told]);
    // What was asked for is done; the lowering goes from unit to unit without a stamp, too (RULE-12). It warns itself.
    this.#askGridMaster({ kind: 'mode.set', value: 'stop' }).catch(() => undefined);
  }

  /** Tells everybody, for who remembers a fault may be barred by it; @throws PeerError when nobody does. */
  async #acknowledge(body: Extract<OperatorBody, { kind: 'fault.acknowledge' }>): Promise<void> {
    const { election, members, requests, unitId } = this.#needs;
    const others = members.alive().filter((id) => id !== unitId);
    const told = others.map((id) => requests.ask(id, body, REPLY_DEADLINE_MSEC, election.term));
    const isKnown = this.#needs.acknowledge(body.faultId);
    const answers = await Promise.allSettled(told);
    if (isKnown || answers.some(({ status }) => status === 'fulfilled')) return;
    throw new PeerError('fault.unknown', unitId, `nobody who is there remembers a fault ${body.faultId}`);
  }

  /** Asks whoever is grid master, again and again until it answers or the operator's deadline has passed. */
  async #askGridMaster(body: CommandBody): Promise<void> {
    const { clock, election, requests, unitId } = this.#needs;
    const saidAt = clock.monotonic();
    const giveUpAt = saidAt + DEADLINE_MSEC;
    let waitMsec = RETRY_MSEC;
    for (;;) {
      const to = election.gridMasterUnitId;
      try {
        if (to === undefined) throw new PeerError('grid-master.absent', unitId, 'there is no grid master');
        const ageMsec = clock.monotonic() - saidAt;
        const aged = body.kind === 'mode.set' && ageMsec > 0 ? { ...body, ageMsec } : body;
        await requests.ask(to, aged, REPLY_DEADLINE_MSEC, election.term);
        return;
      } catch (error) {
        const leftMsec = giveUpAt - clock.monotonic();
        if (leftMsec > 0) {
          await sleep(clock, Math.min(waitMsec, leftMsec));
          // Who is there and could not do it, as with a full disk, is not pressed to try again and again.
          if (to !== undefined) waitMsec = Math.min(2 * waitMsec, MOST_RETRY_MSEC);
        } else {
          this.#needs.warn('operator.not-carried-out', `${body.kind} was not carried out: ${messageOf(error)}`);
          throw error;
        }
      }
    }
  }
}

const textOf = ({ reason, numbers }: Refusal): string => {
  const details = Object.entries(numbers).map(([name, value]) => `${name} ${value}`);
  return details.length === 0 ? reason : `${reason}: ${details.join(', ')}`;
};
