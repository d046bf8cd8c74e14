import { messageOf, PeerError } from '../domain/errors.ts';
import type { CommandBody, Envelope, ReplyBody } from '../domain/messages.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Bus, Unsubscribe } from '../ports/bus.ts';
import { type Clock, withDeadline } from '../ports/clock.ts';

export type OkReply = Extract<ReplyBody, { ok: true }>;
/** Answers one command; what it throws becomes a refusal. */
export type Serve = (from: string, body: CommandBody, envelope: Envelope<CommandBody>) => Promise<ReplyBody>;

/** Wall clocks of two gateways may differ by this much before expiry times stop to mean anything. */
const CLOCK_SKEW_ALLOWANCE_MSEC = 2_000;
const REMEMBERED_SESSIONS = 16;

/** A unit that has begun anew answers what it heard already within this time; what it did not hear is lost. */
const NEW_SESSION_MSEC: Milliseconds = 1_000;

/** A question that has no answer yet. */
interface Waiting {
  readonly to: string;
  settle(reply: ReplyBody): void;
  fail(error: unknown): void;
}

/** How far the commands of one sender have been served. */
interface Served {
  readonly session: string;
  readonly last: number;
  /** Sessions that were followed by another: what still comes of them is over. */
  readonly former: readonly string[];
}

/** Request and reply between units over the bus: every question has a deadline, every answer its question. */
export class Requests {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Waiting>();
  /** Session of each unit by its beacons. */
  readonly #sessions = new Map<string, string>();
  /** By sender: a duplicate, or a command that another has overtaken, is not executed (RULE-2, INV-6). */
  readonly #served = new Map<string, Served>();
  readonly #unsubscribe: Unsubscribe[] = [];
  #next = 0;

  constructor(bus: Bus, clock: Clock) {
    this.#bus = bus;
    this.#clock = clock;
  }

  start(serve: Serve): void {
    const mine = `${this.#bus.unitId}/`;
    this.#unsubscribe.push(
      this.#bus.listen('command', ({ key, envelope }) => {
        if (key.startsWith(mine)) void this.#serve(key.slice(mine.length), envelope, serve);
      }),
      this.#bus.listen('reply', ({ key, envelope }) => {
        if (!key.startsWith(mine)) return;
        const waiting = this.#waiting.get(key.slice(mine.length));
        // INV-11: only the unit that was asked may answer.
        if (waiting?.to === envelope.sender) waiting.settle(envelope.body);
      }),
      this.#bus.listen('election', ({ envelope }) => this.#hearSession(envelope.sender, envelope.session)),
    );
  }

  stop(): void {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
  }

  /**
   * Resolves with the answer; rejects with `PeerError` on refusal (its reason), with `peer.timeout`, or with
   * `peer.restarted` when the process that was asked has been followed by another.
   */
  async ask(to: string, body: CommandBody, deadlineMsec: Milliseconds, term: number): Promise<OkReply> {
    const id = `${this.#bus.session}-${this.#next++}`;
    try {
      const answered = new Promise<ReplyBody>((settle, fail) => this.#waiting.set(id, { to, settle, fail }));
      this.#bus.publish('command', `${to}/${id}`, body, { term, expiryMsec: deadlineMsec });
      const reply = await withDeadline(
        this.#clock,
        deadlineMsec,
        answered,
        () => new PeerError('peer.timeout', to, `${to} did not answer ${body.kind} within ${deadlineMsec} ms`),
      );
      if (reply.ok) return reply;
      throw new PeerError(reply.refusal.reason, to, `${to} refused ${body.kind}: ${reply.message}`);
    } finally {
      this.#waiting.delete(id);
    }
  }

  /** Questions to a process that is dead need not wait for their deadlines. */
  #hearSession(unitId: string, session: string): void {
    const known = this.#sessions.get(unitId);
    if (known === session) return;
    this.#sessions.set(unitId, session);
    if (known === undefined) return;
    const asked = [...this.#waiting.values()].filter(({ to }) => to === unitId);
    const restarted = new PeerError('peer.restarted', unitId, `${unitId} has begun anew and does not answer`);
    this.#clock.after(NEW_SESSION_MSEC, () => {
      for (const waiting of asked) waiting.fail(restarted);
    });
  }

  async #serve(id: string, envelope: Envelope<CommandBody>, serve: Serve): Promise<void> {
    const age = this.#clock.now() - envelope.time;
    if (age > (envelope.expiryMsec ?? Number.POSITIVE_INFINITY) + CLOCK_SKEW_ALLOWANCE_MSEC) return;
    if (!this.#isNext(id, envelope)) return;
    const reply = await serve(envelope.sender, envelope.body, envelope).catch(
      (error: unknown): ReplyBody => refusalOf(error),
    );
    this.#bus.publish('reply', `${envelope.sender}/${id}`, reply, { term: envelope.term });
  }

  /** RULE-2: the ids of a session carry a strictly increasing sequence. */
  #isNext(id: string, { sender, session }: Envelope<CommandBody>): boolean {
    const sequence = id.startsWith(`${session}-`) ? Number(id.slice(session.length + 1)) : Number.NaN;
    const known = this.#served.get(sender);
    const isSame = known?.session === session;
    if (!Number.isSafeInteger(sequence) || known?.former.includes(session)) return false; // INV-11
    if (isSame && sequence <= known.last) return false;
    const former = known === undefined || isSame ? (known?.former ?? []) : [...known.former, known.session];
    this.#served.set(sender, { session, last: sequence, former: former.slice(-REMEMBERED_SESSIONS) });
    return true;
  }
}

/** The reply that tells a failure: its stable reason and its words. */
function refusalOf(error: unknown): ReplyBody {
  const reason = error instanceof Error && 'reason' in error ? String(error.reason) : 'internal';
  return { ok: false, refusal: { reason, numbers: {} }, message: messageOf(error) };
}
