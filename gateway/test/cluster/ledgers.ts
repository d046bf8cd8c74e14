import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ClusterLab, Member } from './cluster-lab.ts';
import type { Figure } from './scenario.ts';

/** Finished deals as one unit wrote them down: the text of each record by its deal. */
async function recordsOf({ data, unitId }: Member): Promise<ReadonlyMap<string, readonly string[]>> {
  const records = new Map<string, string[]>();
  const files = await readdir(join(data, unitId), { recursive: true });
  for (const file of files.filter((one) => /deals[/][0-9]{4}[/].*[.]json$/.test(one))) {
    const dealId = basename(file, '.json');
    records.set(dealId, [...(records.get(dealId) ?? []), await readFile(join(data, unitId, file), 'utf8')]);
  }
  return records;
}

/** Until what the parties wrote down alone is the same at both. */
const SETTLEMENT_MSEC = 30_000;

interface Ledger {
  readonly dealId: string;
  readonly chargeUnitId: string;
  readonly dischargeUnitId: string;
  readonly cumulateAmountWh?: number;
}

type Ledgers = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;

async function ledgersOf({ members }: ClusterLab): Promise<Ledgers> {
  const ledgers = new Map<string, ReadonlyMap<string, readonly string[]>>();
  for (const member of members) ledgers.set(member.unitId, await recordsOf(member));
  return ledgers;
}

const idsIn = (ledgers: Ledgers): readonly string[] => [
  ...new Set([...ledgers.values()].flatMap((records) => [...records.keys()])),
];

function countsOf(ledgers: Ledgers): Readonly<Record<'doubled' | 'missing' | 'different', number>> {
  const counts = { doubled: 0, missing: 0, different: 0 };
  for (const dealId of idsIn(ledgers)) {
    const all = [...ledgers.values()].flatMap((records) => records.get(dealId) ?? []);
    const { chargeUnitId, dischargeUnitId }: Ledger = JSON.parse(all[0] ?? '{}');
    const copies = [chargeUnitId, dischargeUnitId].map((unitId) => ledgers.get(unitId)?.get(dealId) ?? []);
    if (copies.some((one) => one.length > 1)) counts.doubled += 1;
    if (copies.some((one) => one.length === 0)) counts.missing += 1;
    else if (withoutOwner(copies[0]?.[0]) !== withoutOwner(copies[1]?.[0])) counts.different += 1;
  }
  return counts;
}

export const recordCount = async (lab: ClusterLab): Promise<number> => idsIn(await ledgersOf(lab)).length;

/**
 * INV-7: of each finished deal exactly one record at both parties, with the same marks and the same energy, soon after
 * the last fault has healed (RULE-13).
 */
export async function ledgerFigures(lab: ClusterLab): Promise<readonly Figure[]> {
  const end = performance.now() + SETTLEMENT_MSEC;
  let counts = countsOf(await ledgersOf(lab));
  while (Object.values(counts).some((count) => count > 0) && performance.now() < end) {
    await pause(250);
    counts = countsOf(await ledgersOf(lab));
  }
  return [
    { name: 'records doubled', value: counts.doubled, limit: 0 },
    { name: 'records missing at one party', value: counts.missing, limit: 0 },
    { name: 'records that differ', value: counts.different, limit: 0 },
  ];
}

const withoutOwner = (record = '{}'): string => JSON.stringify({ ...JSON.parse(record), unitId: undefined });
