import { DeviceError } from '../../domain/errors.ts';
import type { Milliseconds } from '../../domain/quantities.ts';
import type { Cancel, Clock } from '../../ports/clock.ts';

interface Open<P extends string, C> {
  readonly missing: Set<P>;
  readonly heard: Partial<Record<P, C>>;
  resolve(replies: Partial<Record<P, C>>): void;
  reject(error: DeviceError): void;
  readonly cancel: Cancel;
}

type End = 'answered' | 'failed' | 'overdue';

/** So many ended commands are remembered, to tell a late reply from one that answers nothing. */
const REMEMBERED = 64;

/** Commands that were said and wait for their replies, by id, each with a deadline of its own. */
export class OpenCommands<P extends string, C> {
  readonly #clock: Clock;
  readonly #session: string;
  readonly #open = new Map<string, Open<P, C>>();
  readonly #ended = new Map<string, End>();
  readonly #quietUntil: Milliseconds;

  /** What a former process has asked may be answered for a while: it is nobody's fault. */
  constructor(clock: Clock, session: string, graceMsec: Milliseconds = 10_000) {
    this.#clock = clock;
    this.#session = session;
    this.#quietUntil = clock.monotonic() + graceMsec;
  }

  /** Resolves with all parts; rejects DeviceError `device.no-reply` at the deadline, or with what is wrong in a reply. */
  expect(
    id: string,
    parts: readonly P[],
    deadlineMsec: Milliseconds,
    what: string,
  ): Promise<Readonly<Partial<Record<P, C>>>> {
    return new Promise((resolve, reject) => {
      const missing = new Set(parts);
      const cancel = this.#clock.after(deadlineMsec, () => {
        this.#end(id, 'overdue');
        const names = [...missing].join(' and ');
        reject(new DeviceError('device.no-reply', `${what}: no reply of ${names} within ${deadlineMsec} ms`));
      });
      this.#open.set(id, { missing, heard: {}, resolve, reject, cancel });
    });
  }

  /**
   * Takes one part of a reply; a content that cannot be read ends its command with the same error.
   * @throws DeviceError `device.late-reply`, `device.duplicate-reply`, `device.unsolicited`, and what `content` throws
   */
  answer(id: string, part: P, content: () => C): void {
    const open = this.#open.get(id);
    if (open === undefined) {
      this.#unexpected(id, part);
      return;
    }
    if (Object.hasOwn(open.heard, part)) throw new DeviceError('device.duplicate-reply', `${part}: ${id} came twice`);
    if (!open.missing.has(part)) throw new DeviceError('device.unsolicited', `${part}: not asked for by ${id}`);
    try {
      open.heard[part] = content();
    } catch (error) {
      this.#end(id, 'failed');
      open.reject(error as DeviceError); // `content` throws nothing else
      if ((error as DeviceError).reason === 'device.refused') return;
      throw error;
    }
    open.missing.delete(part);
    if (open.missing.size > 0) return;
    this.#end(id, 'answered');
    open.resolve(open.heard);
  }

  #unexpected(id: string, part: P): void {
    const ended = this.#ended.get(id);
    if (ended === 'overdue') throw new DeviceError('device.late-reply', `${part}: ${id} came after its deadline`);
    if (ended === 'answered') throw new DeviceError('device.duplicate-reply', `${part}: ${id} was answered already`);
    if (ended === 'failed') return; // its other part, of which the caller knows already
    const isFormer = !id.startsWith(`${this.#session}-`) && this.#clock.monotonic() < this.#quietUntil;
    if (!isFormer) throw new DeviceError('device.unsolicited', `${part}: nobody asked for ${id.slice(0, 80)}`);
  }

  #end(id: string, how: End): void {
    this.#open.get(id)?.cancel();
    this.#open.delete(id);
    this.#ended.set(id, how);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > REMEMBERED && oldest !== undefined) this.#ended.delete(oldest);
  }
}
