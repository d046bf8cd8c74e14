import { type Channel, RETAINED } from '../../domain/messages.ts';
import type { Unsubscribe } from '../../ports/bus.ts';
import type { MemoryBusHub } from '../../ports/memory-bus.ts';
import { UnitBroker, type UnitBrokerOptions } from '../broker/unit-broker.ts';
import { LatestValueGate } from './latest-value-gate.ts';
import type { AnyDelivery } from './message-schemas.ts';
import { topicOf } from './mqtt-topics.ts';

export interface MqttMirrorOptions extends UnitBrokerOptions {
  readonly hub: MemoryBusHub;
}

/** Retained state of one key goes out at most this often; nothing is held back at the speed of life. */
const STATE_INTERVAL_MSEC = 50;

/**
 * Says to MQTT clients everything that one unit says on the hub that all units of the process share. Start it before
 * the unit speaks.
 */
export class MqttMirror {
  readonly #broker: UnitBroker;
  readonly #state: LatestValueGate<AnyDelivery>;
  readonly #untap: Unsubscribe;

  /** Opens the unit's broker; rejects as `UnitBroker.open` does. */
  static async start(options: MqttMirrorOptions): Promise<MqttMirror> {
    return new MqttMirror(await UnitBroker.open(options), options.hub);
  }

  /** Mirrors to a broker that is open already; `stop` closes it. */
  constructor(broker: UnitBroker, hub: MemoryBusHub) {
    const { unitId } = broker.place;
    this.#broker = broker;
    this.#state = new LatestValueGate(STATE_INTERVAL_MSEC, (_topic, delivery) => broker.say(delivery));
    this.#untap = hub.tap(
      (delivery) => delivery.envelope.sender === unitId && this.#mirror(delivery),
      (sender, channel, key) => sender === unitId && this.#retract(channel, key),
    );
  }

  /** Where clients reach the broker. */
  get address(): UnitBroker['address'] {
    return this.#broker.address;
  }

  /** Says what is still held back, and closes every connection. */
  async stop(): Promise<void> {
    this.#untap();
    this.#state.flush();
    await this.#broker.close();
  }

  #mirror(delivery: AnyDelivery): void {
    const { channel, key } = delivery;
    if (RETAINED[channel]) this.#state.offer(topicOf(this.#broker.place, channel, key), delivery);
    else this.#broker.say(delivery);
  }

  /** What is held back goes out first, in order. */
  #retract(channel: Channel, key: string): void {
    this.#state.flush();
    this.#broker.retract(channel, key);
  }
}
