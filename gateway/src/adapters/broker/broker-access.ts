import type { Role } from '../../domain/role.ts';
import { MAX_MESSAGE_BYTES, parseTopic, rootOf, type UnitPlace } from '../mesh/mqtt-topics.ts';

/** Channels on which clients may talk to a unit. */
export type InboundChannel = 'operator' | 'device';

/** A role of a certificate, or `local`: whoever reaches a broker without TLS, which is bound to loopback. */
export type ClientRole = Role | 'local';

/** What each role may say on a unit's broker; hearing is free to all (architecture.md §3). */
export const MAY_SAY: Readonly<Record<ClientRole, readonly InboundChannel[]>> = {
  unit: [],
  operator: ['operator'],
  device: ['device'],
  observer: [],
  local: ['operator', 'device'],
};

export interface ClientPacket {
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly retain: boolean;
}

/** Why a client must not say this here, or undefined when it may. `open` are the channels that somebody listens to. */
export function refusalOf(
  place: UnitPlace,
  role: ClientRole,
  open: readonly InboundChannel[],
  { topic, payload, retain }: ClientPacket,
): string | undefined {
  const allowed = MAY_SAY[role].filter((channel) => open.includes(channel));
  const root = rootOf(place);
  const isAllowed = allowed.some((channel) => topic.startsWith(`${root}/${channel}/`)) && parseTopic(topic)?.key !== '';
  if (allowed.length === 0) return `a client with the role ${role} may publish nothing here`;
  if (!isAllowed) return `clients may publish on ${allowed.map((one) => `${root}/${one}/<id>`).join(' and ')} only`;
  if (retain) return 'a message to the unit must not be retained';
  return payload.length > MAX_MESSAGE_BYTES ? `message over ${MAX_MESSAGE_BYTES} bytes` : undefined;
}
