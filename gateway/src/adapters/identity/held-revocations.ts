import { readFile } from 'node:fs/promises';
import { ConfigError, messageOf, PeerError } from '../../domain/errors.ts';
import { writeAtomically } from '../files/atomic-file.ts';
import { readOptional } from '../files/read-optional.ts';
import type { IdentityPaths } from './identity-files.ts';
import type { SignedList } from './x509/revocation-list.ts';

/** A list of some ten thousand certificates: no cluster has them, a stranger may try. */
const LONGEST_LIST = 512 * 1024;

/** The library is large, and most daemons never see a list. */
const library = (): Promise<typeof import('./x509/revocation-list.ts')> => import('./x509/revocation-list.ts');

/**
 * The revocation list that a unit holds, in the directory of its certificates. Every unit publishes its own and adopts
 * a newer one from wherever it hears it: the signature of the CA is what counts, not who passes it on.
 */
export class HeldRevocations {
  readonly #paths: IdentityPaths;
  readonly #caPem: string;
  readonly #listeners = new Set<(pem: string) => void>();
  #held: SignedList | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(paths: IdentityPaths, caPem: string) {
    this.#paths = paths;
    this.#caPem = caPem;
  }

  /** Opens what a directory holds; none is fine. Rejects `ConfigError` for a list that is not the CA's or cannot be read. */
  static async open(paths: IdentityPaths): Promise<HeldRevocations> {
    const revocations = new HeldRevocations(paths, await readFile(paths.ca, 'utf8'));
    await revocations.reload();
    return revocations;
  }

  /** As TLS libraries take it; undefined while nothing was ever revoked. */
  get pem(): string | undefined {
    return this.#held?.pem;
  }

  /** Number of the held list; 0 without one. */
  get number(): number {
    return this.#held?.number ?? 0;
  }

  /** `serial` in capital hexadecimal digits, as Node tells that of a peer. */
  isRevoked(serial: string): boolean {
    return this.#held?.revoked.some((one) => one.serial === serial) === true;
  }

  /** Called with each list that was adopted and is durable: brokers then renew their TLS and drop who is on it. */
  onAdopted(listener: (pem: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Takes a list over when it is newer than the held one; true when it was. Rejects `PeerError`
   * (`peer.bad-revocation-list`) for one that the CA has not signed, and what the disk says when it cannot be kept.
   */
  adopt(pem: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const list = await this.#read(pem);
      const { isNewer } = await library();
      if (this.#held !== undefined && !isNewer(list, this.#held)) return false;
      await writeAtomically(this.#paths.revocationList, list.pem);
      this.#hold(list);
      return true;
    });
  }

  /** Looks at the file again, which an operator may have replaced; true when it brought a newer list. */
  reload(): Promise<boolean> {
    return this.#inTurn(async () => {
      const pem = await readOptional(this.#paths.revocationList);
      if (pem === undefined || pem === this.#held?.pem) return false;
      const list = await this.#read(pem).catch((error: unknown) => {
        throw new ConfigError([{ file: this.#paths.revocationList, path: '', message: messageOf(error) }]);
      });
      const { isNewer } = await library();
      if (this.#held !== undefined && !isNewer(list, this.#held)) {
        // An older file would undo revocations at the next start.
        await writeAtomically(this.#paths.revocationList, this.#held.pem);
        return false;
      }
      this.#hold(list);
      return true;
    });
  }

  async #read(pem: string): Promise<SignedList> {
    if (pem.length > LONGEST_LIST) {
      throw new PeerError(
        'peer.bad-revocation-list',
        '?',
        `expected a revocation list of at most ${LONGEST_LIST} characters, got ${pem.length}`,
      );
    }
    return (await library()).readRevocationList(pem, this.#caPem);
  }

  #hold(list: SignedList): void {
    this.#held = list;
    for (const listener of [...this.#listeners]) listener(list.pem);
  }

  /** One at a time: of two lists that come together the newer one must stay. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work, work);
    this.#queue = turn.catch(() => undefined); // its caller hears of the failure
    return turn;
  }
}
