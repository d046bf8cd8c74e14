import type { DealJournal } from '../cluster/deal-journal.ts';
import type { Election } from '../cluster/election.ts';
import type { PolicyBook } from '../cluster/policy-book.ts';
import type { Controller } from '../controller/index.ts';
import type { Deal } from '../domain/deal.ts';
import type { DeviceCommandName } from '../domain/device-command.ts';
import { InternalError, PeerError } from '../domain/errors.ts';
import type { CommandBody, Envelope, ReplyBody } from '../domain/messages.ts';
import type { OperationMode } from '../domain/operation-mode.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Refusal } from '../domain/trade.ts';
import type { UnitData } from '../domain/unit-data.ts';
import type { GridMaster } from '../grid-master/index.ts';

export interface CommandDeskNeeds {
  readonly unitId: string;
  readonly election: Election;
  readonly journal: DealJournal;
  readonly controller: Controller;
  isMember(unitId: string): boolean;
  gridMaster(): GridMaster | undefined;
  validateProposal(deal: Deal, from: string): Refusal | undefined;
  unitData(): UnitData | undefined;
  /** The grid master stamps a mode and tells everybody. */
  stampMode(value: OperationMode, ageMsec?: Milliseconds): Promise<void>;
  emergencyStop(reason: string): Promise<void>;
  readonly policies: PolicyBook;
  /** As the grid master, brings it to all (RULE-15). @throws ConfigError, PeerError */
  setPolicy(policy: object): Promise<void>;
  /** False when the fault is not known here. */
  acknowledge(faultId: string): boolean;
}

type Kind = CommandBody['kind'];
type Of<K extends Kind> = Extract<CommandBody, { kind: K }>;
type Answers = {
  readonly [K in Kind]: (body: Of<K>, from: string, envelope: Envelope<CommandBody>) => Promise<ReplyBody>;
};

const LOWERING: ReadonlySet<DeviceCommandName> = new Set(['WAIT', 'scram']);

const OK: ReplyBody = { ok: true };

/** Answers what other units ask of this one; a table from kind to answer, checks first. */
export function commandDesk(needs: CommandDeskNeeds) {
  const { election, journal, controller } = needs;

  /** INV-6, RULE-2, RULE-16: only the grid master whom this unit obeys, in that session and in the term that it has promised. */
  const fenceOf = (from: string, envelope: Envelope<CommandBody>) => (): void => {
    const isHeSelf = from === election.gridMasterUnitId && envelope.session === election.gridMasterSession;
    if (isHeSelf && envelope.term === election.term) return;
    throw new PeerError(
      'term.old',
      from,
      `${needs.unitId} obeys ${election.gridMasterUnitId ?? 'nobody'} in term ${election.term}, not ${from} in term ${envelope.term}`,
    );
  };

  const journalKnown = async (deals: readonly Deal[]): Promise<void> => {
    for (const deal of deals) {
      if (journal.get(deal.dealId) === undefined) {
        throw new PeerError('deal.unknown', needs.unitId, `${needs.unitId} has no deal ${deal.dealId}`);
      }
      await journal.put(deal);
    }
  };

  const leading = (): GridMaster => {
    const gridMaster = needs.gridMaster();
    if (gridMaster !== undefined) return gridMaster;
    throw new PeerError('grid-master.elsewhere', needs.unitId, `${needs.unitId} is not the grid master`);
  };

  const answers: Answers = {
    'deal.propose': async ({ deal }, from) => {
      const refusal = needs.validateProposal(deal, from);
      if (refusal !== undefined) return { ok: false, refusal, message: JSON.stringify(refusal) };
      await journal.put(deal);
      return OK;
    },
    'deal.update': async ({ deal }, from, envelope) => {
      fenceOf(from, envelope)();
      await journalKnown([deal]);
      return OK;
    },
    control: async ({ device, deals }, from, envelope) => {
      const fence = fenceOf(from, envelope);
      fence();
      // RULE-11: lowering acts first and journals after, raising journals first.
      if (LOWERING.has(device.command)) {
        const dcdc = await controller.execute(device, fence);
        await journalKnown(deals);
        return { ok: true, dcdc };
      }
      await journalKnown(deals);
      return { ok: true, dcdc: await controller.execute(device, fence) };
    },
    // RULE-3: a state counts for a term when this unit has durably promised it; older commands write nothing any more.
    read: async ({ what, withDeals }, from, envelope) => {
      const fence = fenceOf(from, envelope);
      fence();
      await election.promised();
      const dcdc = await controller.read(what);
      fence();
      const unit = needs.unitData();
      const deals = withDeals === true ? { deals: [...journal.open(), ...journal.finished()] } : {};
      return { ok: true, dcdc, ...(unit === undefined ? {} : { unit }), ...deals };
    },
    'deal.stop': async ({ dealId, reasons }) => {
      leading().requestStop(dealId, reasons);
      return OK;
    },
    'mode.set': async ({ value, ageMsec }) => {
      leading();
      await needs.stampMode(value, ageMsec);
      return OK;
    },
    'fault.acknowledge': async ({ faultId }) => {
      if (needs.acknowledge(faultId)) return OK;
      throw new PeerError('fault.unknown', needs.unitId, `${needs.unitId} remembers no fault ${faultId}`);
    },
    'policy.set': async ({ policy }) => {
      leading();
      await needs.setPolicy(policy);
      return OK;
    },
    // RULE-15: what is remembered counts for a term that is durably promised; so does a promise to accept a policy.
    'policy.ask': async (_body, from, envelope) => {
      fenceOf(from, envelope)();
      await election.promised();
      return { ok: true, policies: needs.policies.pages() };
    },
    'policy.stage': async ({ entry }, from, envelope) => {
      fenceOf(from, envelope)();
      await needs.policies.stage(entry);
      return OK;
    },
    'emergency-stop': async ({ reason }) => {
      await needs.emergencyStop(reason);
      return OK;
    },
  };

  return async (from: string, body: CommandBody, envelope: Envelope<CommandBody>): Promise<ReplyBody> => {
    if (!needs.isMember(from)) throw new PeerError('peer.no-member', from, `${from} is not a member`); // INV-11
    const answer = answers[body.kind] as ((...args: unknown[]) => Promise<ReplyBody>) | undefined; // kind and body belong together by type
    if (answer === undefined) throw new InternalError(`unknown command kind ${String(body.kind)}`);
    return answer(body, from, envelope);
  };
}
