import type { Policy } from './policy.ts';

type Voltages = Pick<Policy, 'operationGridVoltageV' | 'operationGridVoltageVRange' | 'gridVoltageSeparationV'>;

/** Bounds a policy with a separation out of all proportion. */
const MOST_CANDIDATES = 1000;

/** The voltages that authorization may step to: min + 3·sep, min + 4·sep … max − sep, without `currentV` (control §1.9.8). */
export function authorizationCandidates(policy: Voltages, currentV = policy.operationGridVoltageV): number[] {
  const { min, max } = policy.operationGridVoltageVRange;
  const separationV = policy.gridVoltageSeparationV;
  const steps = Math.min(MOST_CANDIDATES, Math.floor((max - min) / separationV) - 4);
  const all = Array.from({ length: Math.max(0, steps + 1) }, (_, step) => min + (step + 3) * separationV);
  return all.filter((candidateV) => candidateV !== currentV);
}
