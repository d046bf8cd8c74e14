import type { Policy } from '../config/policy.ts';
import type { Deal } from '../domain/deal.ts';
import type { Amperes } from '../domain/quantities.ts';

export type Topology = Policy['safety']['gridTopologyBasedEvaluation'];

const EPSILON_A = 1e-9;

const sumA = (deals: readonly Deal[], unitIds: readonly string[], unitOf: (deal: Deal) => string): Amperes =>
  deals.filter((deal) => unitIds.includes(unitOf(deal))).reduce((sum, deal) => sum + deal.dealGridCurrentA, 0);

const discharger = (deal: Deal): string => deal.dischargeUnitId;
const charger = (deal: Deal): string => deal.chargeUnitId;

/** The worst of the four sums of a branch; opposite currents are not credited, as deals come and go one by one. */
export function branchCurrentA(topology: Topology, branchId: string, deals: readonly Deal[]): Amperes {
  const branch = topology.branchAssociation[branchId];
  const forward = branch?.forwardUnitIds ?? [];
  const backward = branch?.backwardUnitIds ?? [];
  return Math.max(
    ...[forward, backward].flatMap((units) => [sumA(deals, units, discharger), sumA(deals, units, charger)]),
  );
}

/** The first branch that these deals together would overload (control.md §4.5, check 3). A limit nobody gave is 0. */
export function branchOverload(
  topology: Topology,
  deals: readonly Deal[],
): { readonly reason: string; readonly message: string } | undefined {
  for (const branchId of topology.branchIds) {
    const limitA = Math.abs(topology.branchCurrentCapacityA[branchId] ?? 0);
    const currentA = branchCurrentA(topology, branchId, deals);
    if (currentA > limitA + EPSILON_A) {
      return {
        reason: 'admission.branch',
        message: `branch ${branchId} would carry ${currentA} A, the limit is ${limitA} A`,
      };
    }
  }
  return undefined;
}
