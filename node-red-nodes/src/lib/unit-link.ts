import { type ConnectionState, UnitClient } from '@apis-edge/gateway/client';
import { AddressError, type AddressProblem, addressOf, localSpeed, type UnitChoice } from './address.ts';
import { Archive } from './archive.ts';
import type { Role } from './widget-message.ts';

/** What nodes use of a client: no node opens or closes one itself. */
export type SharedClient = Pick<
  UnitClient,
  'connection' | 'emulation' | 'on' | 'sayAsDevice' | 'send' | 'state' | 'unitId'
>;

/** State of a link in the words of the status texts (lib/locales). */
export type LinkState = ConnectionState | AddressProblem | 'wrongUnit';

const not = (role: Role, what: string) => () =>
  Promise.reject(new Error(`this unit is attached in the role ${role}: ${what}`));

/** A client through which no more can be said than the role allows (architecture.md §3). */
const inRole = (client: UnitClient, role: Role): SharedClient => ({
  get connection() {
    return client.connection;
  },
  on: (event, handle) => client.on(event, handle),
  state: () => client.state(),
  unitId: () => client.unitId(),
  send: role === 'operator' ? (body) => client.send(body) : not(role, 'it cannot be operated'),
  emulation: role === 'operator' ? () => client.emulation() : not(role, 'it cannot be operated'),
  sayAsDevice:
    role === 'device'
      ? (key, body) => client.sayAsDevice(key, body)
      : not(role, 'nothing can be said for its device; choose the role device'),
});

/** One unit as all nodes of a flow share it: the first user opens the connection, the last one closes it. */
export class UnitLink {
  readonly #choice: UnitChoice;
  readonly #daemonFile: string;
  readonly role: Role;
  #client: UnitClient | undefined;
  #archive: Archive | undefined;
  #users = 0;
  #problem: AddressProblem | undefined;

  constructor(choice: UnitChoice, daemonFile: string, role: Role = 'operator') {
    this.#choice = choice;
    this.#daemonFile = daemonFile;
    this.role = role;
  }

  get unitId(): string {
    return this.#choice.unitId || (this.#client?.unitId() ?? '');
  }

  /** The shared client, opened when this is its first user. Give each one back with `release`. */
  acquire(): SharedClient {
    this.#users += 1;
    this.#client ??= UnitClient.attach(() => this.#address());
    return inRole(this.#client, this.role);
  }

  /** The past as this unit's pages share it: one writer for all of them. */
  archive(root: string, warn: (message: string) => void): Archive {
    this.#archive ??= new Archive(root, warn);
    return this.#archive;
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
      const address = await addressOf(this.#choice, this.#daemonFile, this.role === 'observer');
      this.#problem = undefined;
      return address;
    } catch (error) {
      this.#problem = error instanceof AddressError ? error.problem : undefined;
      throw error;
    }
  }
}
