import { EXPIRY_WARNING_MSEC } from '../adapters/identity/identity-files.ts';
import { DAY_MSEC, type EpochMsec } from '../domain/quantities.ts';

export interface CertificateState {
  readonly state: 'valid' | 'expires soon' | 'expired' | 'revoked';
  /** Day, UTC. */
  readonly expires: string;
  /** Whole days; negative once it has expired. */
  readonly daysLeft: number;
}

/** What people want to know of a certificate at the time `now`. */
export function stateOf(
  { notAfter, revokedAt }: { readonly notAfter: EpochMsec; readonly revokedAt?: EpochMsec },
  now: EpochMsec,
): CertificateState {
  const left = notAfter - now;
  const ageing = left <= EXPIRY_WARNING_MSEC ? 'expires soon' : 'valid';
  const natural = left <= 0 ? 'expired' : ageing;
  return {
    state: revokedAt === undefined ? natural : 'revoked',
    expires: new Date(notAfter).toISOString().slice(0, 10),
    daysLeft: Math.floor(left / DAY_MSEC),
  };
}
