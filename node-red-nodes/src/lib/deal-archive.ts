import { appendFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Deal, isDeactivated, isNewerCopy } from '@apis-edge/gateway/domain';

/** So many finished deals are kept; twice as many lines may stand in the file before it is written anew. */
export const KEPT_DEALS = 200;

const isDeal = (value: unknown): value is Deal =>
  typeof value === 'object' &&
  value !== null &&
  ['dealId', 'createDateTime', 'chargeUnitId', 'dischargeUnitId'].every(
    (field) => typeof (value as Record<string, unknown>)[field] === 'string',
  ) &&
  ['dealAmountWh', 'dealGridCurrentA', 'term', 'revision'].every((field) =>
    Number.isFinite((value as Record<string, unknown>)[field]),
  );

function parseDeal(line: string): Deal | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isDeal(value) ? value : undefined;
  } catch {
    return undefined; // cut off by a power loss, or not ours (INV-11)
  }
}

/** The finished deals that were heard of, on disk as one line each, so that a page shows them after a restart. */
export class DealArchive {
  readonly #deals = new Map<string, Deal>();
  #path = '';
  #lines = 0;

  /** The last ones, in the order in which they ended: a community's clock may be set back. */
  deals(): readonly Deal[] {
    return [...this.#deals.values()];
  }

  /** Reads what was kept; rejects with the error of the file system. What is added before is in memory only. */
  async open(path: string): Promise<void> {
    await mkdir(dirname(path), { recursive: true });
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    const lines = text.split('\n').filter((line) => line !== '');
    const before = [...this.#deals.values()];
    this.#deals.clear();
    for (const deal of lines.flatMap((line) => parseDeal(line) ?? [])) this.#take(deal);
    this.#path = path;
    this.#lines = lines.length;
    await this.add(before);
    if (this.#lines > 2 * KEPT_DEALS || (text !== '' && !text.endsWith('\n'))) await this.#rewrite();
  }

  /** Keeps those that are finished and news; rejects with the error of the file system. */
  async add(deals: readonly Deal[]): Promise<void> {
    const fresh = deals.filter((deal) => isDeactivated(deal) && this.#take(deal));
    if (fresh.length === 0 || this.#path === '') return;
    this.#lines += fresh.length;
    if (this.#lines > 2 * KEPT_DEALS) await this.#rewrite();
    else await appendFile(this.#path, fresh.map((deal) => `${JSON.stringify(deal)}\n`).join(''));
  }

  #take(deal: Deal): boolean {
    const known = this.#deals.get(deal.dealId);
    if (known !== undefined && !isNewerCopy(deal, known)) return false;
    this.#deals.set(deal.dealId, deal);
    const [oldest] = this.#deals.keys();
    if (oldest !== undefined && this.#deals.size > KEPT_DEALS) this.#deals.delete(oldest);
    return true;
  }

  async #rewrite(): Promise<void> {
    const kept = this.deals();
    await writeFile(`${this.#path}.tmp`, kept.map((deal) => `${JSON.stringify(deal)}\n`).join(''));
    await rename(`${this.#path}.tmp`, this.#path);
    this.#lines = kept.length;
  }
}
