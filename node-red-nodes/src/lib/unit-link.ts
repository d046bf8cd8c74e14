import { type ConnectionState, UnitClient } from '@apis-edge/gateway/client';
import { AddressError, type AddressProblem, addressOf, localSpeed, type UnitChoice } from './address.ts';

/** What nodes use of a client: no node opens or closes one itself. */
export type SharedClient = Pick<UnitClient, 'connection' | 'on' | 'send' | 'state' | 'unitId'>;

/** State of a link in the words of the status texts (lib/locales). */
export type LinkState = ConnectionState | AddressProblem | 'wrongUnit';

/** One unit as all nodes of a flow share it: the first user opens the connection, the last one closes it. */
export class UnitLink {
  readonly #choice: UnitChoice;
  readonly #daemonFile: string;
  #client: UnitClient | undefined;
  #users = 0;
  #problem: AddressProblem | undefined;

  constructor(choice: UnitChoice, daemonFile: string) {
    this.#choice = choice;
    this.#daemonFile = daemonFile;
  }

  get unitId(): string {
    return this.#choice.unitId || (this.#client?.unitId() ?? '');
  }

  /** The shared client, opened when this is its first user. Give each one back with `release`. */
  acquire(): SharedClient {
    this.#users += 1;
    this.#client ??= UnitClient.attach(() => this.#address());
    return this.#client;
  }

  async release(): Promise<void> {
    this.#users -= 1;
    if (this.#users > 0) return;
    const client = this.#client;
    this.#client = undefined;
    await client?.close();
  }

  /** What to tell the user; another unit may answer at a fixed address. */
  state(): LinkState {
    const client = this.#client;
    if (client === undefined) return 'disconnected';
    if (client.connection !== 'connected') return this.#problem ?? client.connection;
    const speaker = client.unitId();
    // A connection is worth nothing to anybody before the unit has said who it is.
    if (speaker === undefined) return 'connecting';
    return this.#choice.unitId === '' || this.#choice.unitId === speaker ? 'connected' : 'wrongUnit';
  }

  speed(): Promise<number | undefined> {
    return localSpeed(this.#daemonFile);
  }

  async #address() {
    try {
      const address = await addressOf(this.#choice, this.#daemonFile);
      this.#problem = undefined;
      return address;
    } catch (error) {
      this.#problem = error instanceof AddressError ? error.problem : undefined;
      throw error;
    }
  }
}
