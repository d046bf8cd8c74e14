import { MODE_LABELS, type ModeLabel, type OperatorBody } from '@apis-edge/gateway/domain';

const isModeLabel = (value: string): value is ModeLabel => Object.hasOwn(MODE_LABELS, value);
const isKinded = (payload: unknown): payload is OperatorBody =>
  typeof payload === 'object' && payload !== null && 'kind' in payload && typeof payload.kind === 'string';

const EXPECTED = [...Object.keys(MODE_LABELS), 'emergency-stop'].join(', ');

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
