import { DAY_MSEC, type EpochMsec } from '../../domain/quantities.ts';
import type { Unsubscribe } from '../../ports/bus.ts';
import type { Cancel, Clock } from '../../ports/clock.ts';
import { EXPIRY_WARNING_MSEC, factsOf, type Identity } from './identity-files.ts';

export interface ExpiryNeeds {
  readonly clock: Clock;
  /** The identity as it is now: it may be renewed while the unit runs. */
  identity(): Identity;
  /** Raises a fault of the unit. */
  warn(reason: string, message: string): void;
}

/**
 * Looks now and once a day whether a unit's certificate, or that of its CA, ends within 30 days, or is not yet good (a
 * machine without battery for its clock), and warns until that is mended: peers refuse such a unit without a word to it.
 */
export function watchExpiry({ clock, identity, warn }: ExpiryNeeds): Unsubscribe {
  let cancel: Cancel = () => {};
  const look = (): void => {
    const { name, notBefore, notAfter, caPem } = identity();
    if (notBefore > clock.now()) {
      const first = new Date(notBefore).toISOString().slice(0, 10);
      const message = `the certificate of ${name} is good from ${first} on: is the clock of this machine right?`;
      warn('tls.certificate-not-yet-valid', message);
    }
    const ca = factsOf(caPem, 'ca.crt');
    const advice = `renew it: "apis ca renew ${name}"`;
    tell(`the certificate of ${name}`, notAfter, advice);
    // What a CA has signed never outlives it, so its own end is the end of all.
    if (ca.notAfter <= notAfter)
      tell(`the CA "${ca.name}"`, ca.notAfter, 'make a new one, and new certificates for all');
    cancel = clock.after(DAY_MSEC, look);
  };
  const tell = (what: string, notAfter: EpochMsec, advice: string): void => {
    const leftMsec = notAfter - clock.now();
    if (leftMsec > EXPIRY_WARNING_MSEC) return;
    const day = new Date(notAfter).toISOString().slice(0, 10);
    if (leftMsec <= 0) warn('tls.certificate-expired', `${what} has expired on ${day}; ${advice}`);
    else warn('tls.certificate-expires', `${what} expires on ${day}; ${advice}`);
  };
  look();
  return () => cancel();
}
