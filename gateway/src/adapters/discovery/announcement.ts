import type { UnitPlace } from '../mesh/mqtt-topics.ts';

/** What is announced: `_apis._tcp` (architecture.md §3). */
export const SERVICE_TYPE = 'apis';
const SERVICE_NAME = `_${SERVICE_TYPE}._tcp.local`;
/** The number in the root of our topics. */
const PROTOCOL_VERSION = '1';

/** One unit as it announces itself. */
export interface Announcement extends UnitPlace {
  /** Differs from process start to process start: tells a unit from another of the same id. */
  readonly instance: string;
  /** SHA-256 of its certificate, absent without TLS. A hint for people: the certificates decide, not this. */
  readonly fingerprint?: string;
}

/** An announcement as it was heard, with the address from which it came. */
export interface Sighting extends Announcement {
  readonly host: string;
  readonly port: number;
  /** Name of the service on the network, by which it says goodbye. */
  readonly service: string;
}

/** The keys of the TXT record. */
const TXT_KEYS = { communityId: 'community', clusterId: 'cluster', unitId: 'unit', instance: 'id' } as const;

export const txtOf = ({ fingerprint, ...rest }: Announcement): Readonly<Record<string, string>> => ({
  v: PROTOCOL_VERSION,
  ...Object.fromEntries(Object.entries(TXT_KEYS).map(([field, key]) => [key, rest[field as keyof typeof TXT_KEYS]])),
  ...(fingerprint === undefined ? {} : { fp: fingerprint }),
});

/** Unlike any other on the network, so that nothing has to be probed and units of one id do not hide each other. */
export const serviceNameOf = ({ unitId, instance }: Announcement): string =>
  // 63 bytes is all that a label of DNS may have.
  `${unitId.replaceAll('.', '-').slice(0, 40)}-${instance.slice(0, 20)}`;

/** The part of a DNS record that matters here; everything in it may be wrong. */
export interface DnsRecord {
  readonly name: string;
  readonly type: string;
  readonly ttl?: number | undefined;
  readonly data?: unknown;
}

export interface DnsPacket {
  readonly questions?: readonly { readonly name: string }[];
  readonly answers?: readonly DnsRecord[];
  readonly additionals?: readonly DnsRecord[];
}

const isSame = (name: string, other: string): boolean => name.toLowerCase() === other.toLowerCase();

/** True for a question that makes every unit announce itself. */
export const asksForUnits = ({ questions = [] }: DnsPacket): boolean =>
  questions.some(({ name }) => isSame(name, SERVICE_NAME));

const recordsOf = ({ answers = [], additionals = [] }: DnsPacket): readonly DnsRecord[] => [...answers, ...additionals];

/** Names of our services that a packet speaks of: those that are there, or (`ttl` 0) those that leave. */
const servicesIn = (records: readonly DnsRecord[], leaving: boolean): readonly string[] => [
  ...new Set(
    records.flatMap(({ name, type, ttl = 0, data }) =>
      type === 'PTR' && isSame(name, SERVICE_NAME) && (ttl === 0) === leaving && typeof data === 'string'
        ? [data.toLowerCase()]
        : [],
    ),
  ),
];

/** Services that say goodbye. */
export const goodbyesIn = (packet: DnsPacket): readonly string[] => servicesIn(recordsOf(packet), true);

/** Units that announce themselves in a packet from `host`; what is incomplete or nonsense is left out (INV-11). */
export function sightingsIn(packet: DnsPacket, host: string): readonly Sighting[] {
  const records = recordsOf(packet);
  return servicesIn(records, false).flatMap((service) => {
    const dataOf = (type: string): unknown =>
      records.find((record) => record.type === type && isSame(record.name, service))?.data;
    const port = portOf(dataOf('SRV'));
    const announcement = announcementOf(dataOf('TXT'));
    return port === undefined || announcement === undefined ? [] : [{ ...announcement, host, port, service }];
  });
}

const portOf = (data: unknown): number | undefined => {
  const port = typeof data === 'object' && data !== null && 'port' in data ? data.port : undefined;
  return typeof port === 'number' && Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
};

/** As ids in configurations: they become parts of topics. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const FINGERPRINT = /^[0-9a-fA-F:]{8,128}$/;

function announcementOf(data: unknown): Announcement | undefined {
  if (!Array.isArray(data)) return undefined;
  const texts = data.map((item) => (item instanceof Uint8Array ? Buffer.from(item).toString('utf8') : ''));
  const read = (key: string, pattern: RegExp): string | undefined => {
    const value = texts.find((text) => text.startsWith(`${key}=`))?.slice(key.length + 1);
    return value !== undefined && pattern.test(value) ? value : undefined;
  };
  const [communityId, clusterId, unitId, instance] = Object.values(TXT_KEYS).map((key) => read(key, ID));
  const isOurs = read('v', /^1$/) !== undefined;
  if (!isOurs || !communityId || !clusterId || !unitId || !instance) return undefined;
  const fingerprint = read('fp', FINGERPRINT);
  return { communityId, clusterId, unitId, instance, ...(fingerprint === undefined ? {} : { fingerprint }) };
}
