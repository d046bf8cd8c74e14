import type { Policy } from './policy.ts';

/** The value of an own key: a branch may be called "constructor". */
const own = <T>(table: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined;

/** What is missing for the topology evaluation: a member on no side of a branch would not be counted there. */
export function branchFindings(policy: Policy): readonly string[] {
  const { enabled, branchIds } = policy.safety.gridTopologyBasedEvaluation;
  if (!enabled) return [];
  if (branchIds.length === 0) return ['expected at least one of branchIds while enabled, got none'];
  return branchIds.flatMap((branchId) => findingsOfBranch(branchId, policy));
}

function findingsOfBranch(branchId: string, policy: Policy): string[] {
  const { branchAssociation, branchCurrentCapacityA } = policy.safety.gridTopologyBasedEvaluation;
  const name = JSON.stringify(branchId);
  const association = own(branchAssociation, branchId);
  const findings: string[] = [];
  if (own(branchCurrentCapacityA, branchId) === undefined)
    findings.push(`expected branchCurrentCapacityA of branch ${name}, got nothing`);
  if (association === undefined) return [...findings, `expected branchAssociation of branch ${name}, got nothing`];
  const listed = [...association.forwardUnitIds, ...association.backwardUnitIds];
  for (const unitId of policy.memberUnitIds) {
    const times = listed.filter((id) => id === unitId).length;
    if (times !== 1) findings.push(`expected ${unitId} exactly once in branch ${name}, got it ${times} times`);
  }
  const strangers = listed.filter((id) => !policy.memberUnitIds.includes(id));
  return [
    ...findings,
    ...strangers.map((id) => `expected ids from memberUnitIds in branch ${name}, got ${JSON.stringify(id)}`),
  ];
}
