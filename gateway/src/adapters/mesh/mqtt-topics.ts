import { type Channel, RETAINED } from '../../domain/messages.ts';

/** Start of every topic; the number is the version of the protocol (architecture.md §3). */
export const TOPIC_PREFIX = 'apis/v1';

/** Largest message that anybody may send or will read. */
export const MAX_MESSAGE_BYTES = 64 * 1024;

const CLIENT_CHANNELS = ['operator', 'answer', 'question', 'device', 'device-command'] as const;

/** Where a unit stands: its part of the topic tree. */
export interface UnitPlace {
  readonly communityId: string;
  readonly clusterId: string;
  readonly unitId: string;
}

export interface Topic extends UnitPlace {
  /**
   * A channel of the bus, or one of those between a unit and its clients: `operator`, `answer` and `question`, and
   * `device` and `device-command` for a device behind a flow.
   */
  readonly channel: Channel | (typeof CLIENT_CHANNELS)[number];
  /** The rest of the topic, `` when there is none. */
  readonly key: string;
}

const CHANNELS: readonly string[] = [...Object.keys(RETAINED), ...CLIENT_CHANNELS];
const isChannel = (text: string | undefined): text is Topic['channel'] => text !== undefined && CHANNELS.includes(text);

/** Characters that a published topic must not hold: wild cards and what is no character. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: MQTT 3.1.1 §1.5.3 forbids exactly these
const FORBIDDEN = /[+#\u0000-\u001f]/;

/** True when `key` may be the end of a topic; ids of ours always may, foreign ones are checked. */
export const isTopicKey = (key: string): boolean => !FORBIDDEN.test(key) && key.length <= 256;

export const rootOf = (place: UnitPlace): string =>
  `${TOPIC_PREFIX}/${place.communityId}/${place.clusterId}/${place.unitId}`;

/** Topic of a message: `apis/v1/<community>/<cluster>/<unitId>/<channel>[/<key>]`. */
export const topicOf = (place: UnitPlace, channel: Topic['channel'], key: string): string =>
  key === '' ? `${rootOf(place)}/${channel}` : `${rootOf(place)}/${channel}/${key}`;

/** Takes a topic apart; undefined for any that is not one of ours. */
export function parseTopic(topic: string): Topic | undefined {
  if (!topic.startsWith(`${TOPIC_PREFIX}/`)) return undefined;
  const [communityId, clusterId, unitId, channel, ...key] = topic.slice(TOPIC_PREFIX.length + 1).split('/');
  if (!communityId || !clusterId || !unitId || !isChannel(channel)) return undefined;
  return { communityId, clusterId, unitId, channel, key: key.join('/') };
}
