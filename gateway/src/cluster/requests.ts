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
const REMEMBERED_COMMANDS = 1_000;

/** Request and reply between units over the bus: every question has a deadline, every answer its question. */
export class Requests {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #waiting = new Map<string, { readonly to: string; readonly settle: (reply: ReplyBody) => void }>();
  /** Commands already served: a duplicate is not executed twice (INV-6). */
  readonly #served = new Set<string>();
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
    );
  }

  stop(): void {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
  }

  /** Resolves with the answer; rejects with `PeerError` on refusal (its reason) or `peer.timeout`. */
  async ask(to: string, body: CommandBody, deadlineMsec: Milliseconds, term: number): Promise<OkReply> {
    const id = `${this.#bus.session}-${this.#next++}`;
    try {
      const answered = new Promise<ReplyBody>((settle) => this.#waiting.set(id, { to, settle }));
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

  async #serve(id: string, envelope: Envelope<CommandBody>, serve: Serve): Promise<void> {
    const age = this.#clock.now() - envelope.time;
    if (age > (envelope.expiryMsec ?? Number.POSITIVE_INFINITY) + CLOCK_SKEW_ALLOWANCE_MSEC) return;
    const known = `${envelope.sender}/${id}`;
    if (this.#served.has(known)) return;
    this.#remember(known);
    const reply = await serve(envelope.sender, envelope.body, envelope).catch(
      (error: unknown): ReplyBody => refusalOf(error),
    );
    this.#bus.publish('reply', `${envelope.sender}/${id}`, reply, { term: envelope.term });
  }

  #remember(id: string): void {
    this.#served.add(id);
    const oldest = this.#served.values().next().value;
    if (this.#served.size > REMEMBERED_COMMANDS && oldest !== undefined) this.#served.delete(oldest);
  }
}

/** The reply that tells a failure: its stable reason and its words. */
function refusalOf(error: unknown): ReplyBody {
  const reason = error instanceof Error && 'reason' in error ? String(error.reason) : 'internal';
  return { ok: false, refusal: { reason, numbers: {} }, message: messageOf(error) };
}
