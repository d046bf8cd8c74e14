import type { CommunityState } from '@apis-edge/gateway/client';
import { isDeactivated, MODE_LABELS, type ModeLabel, type OperatorBody } from '@apis-edge/gateway/domain';

const isModeLabel = (value: string): value is ModeLabel => Object.hasOwn(MODE_LABELS, value);
const isKinded = (payload: unknown): payload is OperatorBody =>
  typeof payload === 'object' && payload !== null && 'kind' in payload && typeof payload.kind === 'string';

const EXPECTED = [...Object.keys(MODE_LABELS), 'emergency-stop', 'stop-all', 'clear-faults'].join(', ');

/** Words that stand for one order per open deal or fault. */
const MANY: Readonly<Record<string, (state: CommunityState, reason: string) => readonly OperatorBody[]>> = {
  'stop-all': ({ deals }, reason) =>
    deals.filter((deal) => !isDeactivated(deal)).map(({ dealId }) => ({ kind: 'deal.stop', dealId, reason }) as const),
  'clear-faults': ({ faults }) =>
    faults
      .filter(({ acknowledgedAt }) => acknowledgedAt === undefined)
      .map(({ faultId }) => ({ kind: 'fault.acknowledge', faultId }) as const),
};

/** All that an operator's message payload asks for; `stop-all` and `clear-faults` are one order for each. */
export function operatorCommands(payload: unknown, reason: string, state: CommunityState): readonly OperatorBody[] {
  const word = typeof payload === 'string' ? payload.trim() : '';
  const many = Object.hasOwn(MANY, word) ? MANY[word] : undefined;
  return many?.(state, reason) ?? [operatorCommand(payload, reason)];
}

/**
 * Operator's word for a message payload: a mode label, `emergency-stop`, or an operator message as it is
 * (`{kind:'deal.stop', …}`, checked by the client). Throws with what was expected (INV-11).
 */
export function operatorCommand(payload: unknown, reason: string): OperatorBody {
  if (isKinded(payload)) return payload;
  const word = typeof payload === 'string' ? payload.trim() : '';
  if (word === 'emergency-stop') return { kind: 'emergency-stop', reason };
  if (isModeLabel(word)) return { kind: 'mode', value: MODE_LABELS[word] };
  throw new Error(`payload: expected one of ${EXPECTED}, got ${JSON.stringify(payload)?.slice(0, 80)}`);
}
