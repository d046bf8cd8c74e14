import type { CommunityState } from '@apis-edge/gateway/client';
import type { WiredCommand } from '@apis-edge/gateway/domain';
import { idIn, isObject } from './loose-object.ts';

/**
 * A command as `apis-dcdc` sends it into the flow. Its id and its deadline, ms since 1970 by this machine's clock, are
 * also at a place of the message that nodes in between leave alone.
 */
export function commandMessage({ time, deadlineMsec, sequence, ...order }: WiredCommand, leftMsec: number) {
  const deadline = Math.round(Date.now() + leftMsec);
  return { topic: order.command, command: { id: order.id, deadline }, payload: { ...order, deadline } };
}

export interface WiredReply {
  readonly id: string;
  /** The reply itself, without the id. */
  readonly content: Readonly<Record<string, unknown>>;
}

/** A reply of a device: `payload.id` or `command.id` names the command. Throws with what was expected (INV-11). */
export function replyOf(message: { readonly payload?: unknown; readonly command?: unknown }): WiredReply {
  const { payload, command } = message;
  if (!isObject(payload)) throw new Error(`payload: expected an object, got ${JSON.stringify(payload)?.slice(0, 80)}`);
  const id = idIn(payload) ?? idIn(command);
  if (id === undefined) throw new Error('expected the id of the command in payload.id or msg.command.id, got none');
  const { id: _id, ...content } = payload;
  return { id, content };
}

/** Whether a flow drives the unit's devices; undefined before the unit has told. */
export function isWired(state: CommunityState, unitId: string): boolean | undefined {
  const unit = state.units[unitId]?.unit;
  return unit === undefined ? undefined : unit.apis.wired_device === true;
}
