import type { InboundChannel } from './broker-access.ts';
import type { UnitAddress } from './broker-connection.ts';

/** A message of a client that its role allows. */
export type HearClient = (channel: InboundChannel, key: string, payload: Uint8Array) => void;

/** The MQTT broker on which one unit speaks: its own, or a mosquitto that stands in for it. */
export interface Broker {
  /** Where the process that runs it has bound it. */
  readonly address: UnitAddress;
  /** Says it to those who listen now; `retain` keeps it for those who come later, and with an empty text forgets it. */
  send(topic: string, text: string, retain: boolean): void;
  /** Resolves when every connection is closed. */
  close(): Promise<void>;
}
