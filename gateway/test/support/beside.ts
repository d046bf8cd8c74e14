/**
 * Options of a test that runs beside its neighbours. Fresh for each: tap keeps a test's own state in the object it is
 * given, so that tests with one object in common hide each other's errors.
 */
export const beside = (): { buffered: true } => ({ buffered: true });
