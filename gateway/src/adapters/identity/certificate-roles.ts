import type { Role } from '../../domain/role.ts';
import type { ClientRole } from '../broker/broker-access.ts';
import type { CertificateFacts } from './identity-files.ts';

/** What a unit knows about the owners of certificates. */
export interface RoleRules {
  readonly clusterId: string;
  /** The unit's own certificate: whoever holds its key is the owner of the unit. */
  readonly ownFingerprint: string;
  /** `mqtt.tls.roles`: for certificates that name no role themselves, by CN. */
  readonly roles: Readonly<Record<string, Role>>;
  readonly isMember: (unitId: string) => boolean;
}

/** The role of a certificate whose chain is valid; a text says why it has none (architecture.md §3). */
export function roleOf(facts: CertificateFacts, rules: RoleRules): { readonly role: ClientRole } | string {
  if (facts.fingerprint === rules.ownFingerprint) return { role: 'local' };
  if (facts.name === '') return 'the certificate has no CN';
  if (facts.role !== undefined) {
    return facts.clusterId === rules.clusterId
      ? { role: facts.role }
      : `the certificate belongs to the cluster ${facts.clusterId || '?'}, not to ${rules.clusterId}`;
  }
  const told = Object.hasOwn(rules.roles, facts.name) ? rules.roles[facts.name] : undefined;
  return { role: told ?? (rules.isMember(facts.name) ? 'unit' : 'observer') };
}

/** Why a broker with this certificate is not that of the unit, or undefined when it is. */
export function brokerProblem(
  facts: CertificateFacts,
  unitId: string | undefined,
  { clusterId, roles = {} }: { readonly clusterId?: string; readonly roles?: Readonly<Record<string, Role>> } = {},
): string | undefined {
  const role = facts.role ?? roles[facts.name] ?? 'unit';
  if (role !== 'unit') return `the broker's certificate is that of ${facts.name}, role ${role}`;
  if (unitId !== undefined && facts.name !== unitId)
    return `the broker's certificate is that of ${facts.name}, not of ${unitId}`;
  if (clusterId !== undefined && facts.role !== undefined && facts.clusterId !== clusterId) {
    return `the broker's certificate belongs to the cluster ${facts.clusterId || '?'}, not to ${clusterId}`;
  }
  return undefined;
}
