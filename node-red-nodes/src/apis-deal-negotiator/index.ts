import type { CommunityState, HeardMessage } from '@apis-edge/gateway/client';
import { type Deal, type DealQuestion, isInvolved, type OnSilence } from '@apis-edge/gateway/domain';
import type { Node, NodeAPI, NodeStatus } from 'node-red';
import { attachToUnit, type UnitNodeDef } from '../lib/attach.ts';
import { DealEvents, type DealLifeEvent } from '../lib/deal-events.ts';
import { openDealsOf } from '../lib/deals.ts';
import { choiceEvent, type NegotiationEvent, negotiationEvent } from '../lib/negotiation.ts';
import { negotiatorWord } from '../lib/negotiator-input.ts';
import { OwnNegotiations } from '../lib/own-negotiations.ts';
import { registerNode } from '../lib/register.ts';
import { respond } from '../lib/respond.ts';
import { valueStatus } from '../lib/status.ts';
import { keepVeto } from '../lib/veto-keeper.ts';

interface NegotiatorDef extends UnitNodeDef {
  /** `unit`: only what this unit takes part in; `community`: everything that is heard. */
  readonly scope?: 'unit' | 'community';
  /** The flow is asked before own requests and accepts, and what its silence means; `` or absent: it is not asked. */
  readonly onSilence?: OnSilence | '';
}

/** Tells each step once, on the output it belongs to. */
class Teller {
  readonly #node: Node;
  readonly #hearsAll: boolean;
  readonly #life = new DealEvents();
  readonly #own = new OwnNegotiations();

  constructor(node: Node, hearsAll: boolean) {
    this.#node = node;
    this.#hearsAll = hearsAll;
  }

  hear(message: HeardMessage, unitId: string): void {
    const event = negotiationEvent(message);
    if (event !== undefined) this.#tellNegotiation(event, unitId);
    if (message.channel === 'deal') this.hearDeal(message.envelope.body, unitId);
  }

  hearDeal(deal: Deal, unitId: string): void {
    for (const step of this.#life.hear(deal)) {
      if (step.event === 'created' && !step.replayed) this.#tellNegotiation(choiceEvent(deal), unitId);
      if (this.concerns(deal, unitId)) this.#tellStep(step);
    }
  }

  ask(question: DealQuestion): void {
    const deadline = Math.round(Date.now() + question.limitMsec);
    this.#node.send([{ topic: 'question', question: { id: question.id, deadline }, payload: question }, null]);
  }

  concerns(deal: Deal, unitId: string): boolean {
    return this.#hearsAll || isInvolved(deal, unitId);
  }

  #tellNegotiation(event: NegotiationEvent, unitId: string): void {
    const concerns = this.#own.concerns(event, unitId);
    if (this.#hearsAll || concerns) this.#node.send([{ topic: event.kind, payload: event }, null]);
  }

  #tellStep(step: DealLifeEvent): void {
    this.#node.send([null, { topic: step.event, payload: step }]);
  }
}

/** Negotiations and deals as they are heard: output 1 requests, answers and choices, output 2 the life of deals. */
export default function register(RED: NodeAPI): void {
  registerNode<NegotiatorDef>(RED, 'apis-deal-negotiator', (node, config) => {
    const teller = new Teller(node, config.scope === 'community');
    const onState = (state: CommunityState, unitId: string): NodeStatus => {
      // A connection that was open before this node began has told its deals already.
      for (const deal of state.deals) teller.hearDeal(deal, unitId);
      const running = openDealsOf(state).filter((deal) => teller.concerns(deal, unitId)).length;
      return valueStatus(`${unitId} ⇄ ${running}`);
    };
    let veto: ReturnType<typeof keepVeto> | undefined;
    const attached = attachToUnit(RED, node, config.unit, {
      onState,
      onMessage: (message, unitId) => teller.hear(message, unitId),
      onQuestion: (question) => config.onSilence && teller.ask(question),
      onClose: async () => veto?.stop(),
    });
    if (attached !== undefined && config.onSilence)
      veto = keepVeto(attached.client, config.onSilence, (error) => node.warn(String(error)));
    respond(node, async ({ topic, ...message }) => {
      if (attached === undefined) throw new Error(RED._('apis-deal-negotiator.errors.noUnit'));
      const word = negotiatorWord(topic, message);
      if (word === undefined) throw new Error(RED._('apis-deal-negotiator.errors.topic'));
      await attached.client.send(word);
    });
  });
}
