import { EmulatorClient, readDaemonFile } from '@apis-edge/gateway/client';
import type { EmulatorApi } from '@apis-edge/gateway/emulation';
import { type FakeGridFields, hostedGrid, numberIn, sourceOf } from './fake-grid-setting.ts';

interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** What is known of the network; `problem` says why it cannot be reached. */
export interface GridNews {
  readonly houses: readonly string[];
  readonly problem?: string;
}

const POLL_MSEC = 1_000;
const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const isList = (value: unknown): value is readonly string[] => Array.isArray(value);

/** One emulated DC network as all nodes of a flow share it; hosts it where the node says so. */
export class FakeGridLink {
  readonly client = new EmulatorClient(() => this.#endpoint());
  readonly #fields: FakeGridFields;
  readonly #daemonFile: string;
  readonly #hosted: Promise<EmulatorApi> | undefined;
  readonly #watchers = new Set<(news: GridNews) => void>();
  #timer: NodeJS.Timeout | undefined;
  #news: GridNews = { houses: [] };
  #isClosed = false;

  constructor(fields: FakeGridFields, daemonFile: string) {
    this.#fields = fields;
    this.#daemonFile = daemonFile;
    if (sourceOf(fields) === 'hosted') this.#hosted = this.#host();
    this.#hosted?.catch(() => {}); // told to everybody who asks for the address
  }

  /** Calls `see` with what is known now, and when it changes; until the returned function is called. */
  watch(see: (news: GridNews) => void): () => void {
    this.#watchers.add(see);
    see(this.#news);
    if (this.#timer === undefined) void this.#poll();
    return () => this.#watchers.delete(see);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const api = await this.#hosted?.catch(() => undefined); // there is nothing to close then
    await api?.close();
  }

  /** Async, so that what is wrong in a field is a rejection as well. */
  async #host(): Promise<EmulatorApi> {
    const options = hostedGrid(this.#fields);
    const { hostFakeGrid } = await import('@apis-edge/gateway/emulation'); // the physics only where it is hosted
    return hostFakeGrid(options);
  }

  async #endpoint(): Promise<Endpoint> {
    if (this.#hosted !== undefined) return this.#hosted;
    if (sourceOf(this.#fields) === 'daemon') {
      const { emulator } = await readDaemonFile(this.#daemonFile);
      if (emulator === undefined) throw new Error('the gateway has no emulated houses');
      return emulator;
    }
    return { host: this.#fields.host?.trim() || '127.0.0.1', port: numberIn(this.#fields.port, 'port') ?? 4390 };
  }

  async #poll(): Promise<void> {
    this.#timer = setTimeout(() => void this.#poll(), POLL_MSEC);
    const news = await this.client.houses().then(
      ({ houses }): GridNews => ({ houses: isList(houses) ? houses : [] }),
      (error: unknown): GridNews => ({ houses: [], problem: textOf(error) }),
    );
    if (this.#isClosed || JSON.stringify(news) === JSON.stringify(this.#news)) return;
    this.#news = news;
    for (const see of [...this.#watchers]) see(news);
  }
}
