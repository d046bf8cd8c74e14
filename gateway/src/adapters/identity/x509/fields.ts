import { isIP } from 'node:net';
import { Set as ASN1Set, Integer, OctetString, Sequence, Utf8String } from 'asn1js';
import { AttributeTypeAndValue, GeneralName, RelativeDistinguishedNames, Time, TimeType } from 'pkijs';
import type { EpochMsec } from '../../../domain/quantities.ts';

/** Subject of a certificate: who, in which role, of which cluster (architecture.md §3). */
export interface Subject {
  readonly CN: string;
  readonly OU?: string;
  readonly O: string;
}

const ATTRIBUTES = { O: '2.5.4.10', OU: '2.5.4.11', CN: '2.5.4.3' } as const;

export function nameOf(subject: Subject): RelativeDistinguishedNames {
  const present = (['O', 'OU', 'CN'] as const).flatMap((key) => {
    const value = subject[key];
    return value === undefined ? [] : [{ type: ATTRIBUTES[key], value: new Utf8String({ value }) }];
  });
  // One set for each: the library itself would put all into one, which many programs show and match badly.
  const sets = present.map((one) => new ASN1Set({ value: [new AttributeTypeAndValue(one).toSchema()] }));
  return RelativeDistinguishedNames.fromBER(new Sequence({ value: sets }).toBER());
}

/** RFC 5280 §4.1.2.5: two digits of a year until 2049. */
export function timeOf(at: EpochMsec): Time {
  const value = new Date(at - (at % 1000));
  return new Time({ value, type: value.getUTCFullYear() < 2050 ? TimeType.UTCTime : TimeType.GeneralizedTime });
}

/** `serial` in hexadecimal digits, as Node tells it. */
export function serialOf(serial: string): Integer {
  const even = serial.length % 2 === 0 ? serial : `0${serial}`;
  const bytes = Buffer.from(even, 'hex');
  // A leading one bit would make it negative.
  const positive = (bytes[0] ?? 0) > 127 ? Buffer.concat([Buffer.of(0), bytes]) : bytes;
  return new Integer({ valueHex: Uint8Array.from(positive).buffer });
}

/** The same number as Node tells it: capitals, no leading zeros. */
export const serialText = (serial: Integer): string =>
  Buffer.from(serial.valueBlock.valueHexView)
    .toString('hex')
    .toUpperCase()
    .replace(/^0+(?=.)/, '');

const IP_BYTES = { 4: ipv4Bytes, 6: ipv6Bytes } as const;

/** A host name or IP address as the alternative name of a certificate. */
export function hostName(host: string): GeneralName {
  const version = isIP(host);
  if (version === 4 || version === 6) {
    const valueHex = Uint8Array.from(IP_BYTES[version](host)).buffer;
    return new GeneralName({ type: 7, value: new OctetString({ valueHex }) });
  }
  return new GeneralName({ type: 2, value: host });
}

function ipv4Bytes(address: string): readonly number[] {
  return address.split('.').map(Number);
}

/** Checked by `isIP` before: groups of hexadecimal digits, one `::`, perhaps IPv4 at the end. */
function ipv6Bytes(address: string): readonly number[] {
  const plain = address.replace(/%.*$/, '').replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, ...parts: string[]) => {
    const hex = parts.slice(0, 4).map((part) => Number(part).toString(16).padStart(2, '0'));
    return `${hex[0]}${hex[1]}:${hex[2]}${hex[3]}`;
  });
  const [head = '', tail] = plain.split('::');
  const groups = (text: string | undefined): readonly string[] => (text ? text.split(':') : []);
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...Array(tail === undefined ? 0 : missing).fill('0'), ...groups(tail)];
  return all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]);
}
