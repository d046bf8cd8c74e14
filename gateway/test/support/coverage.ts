/** Reason to leave out what runs for days or years: counting every branch makes it many times as slow, and it reaches nothing that the rest does not. */
export const tooSlowWhileCounted: string | false =
  (process.env._TAPJS_PROCESSINFO_COVERAGE_ === '1' || process.env.NODE_V8_COVERAGE !== undefined) &&
  'too slow while coverage is measured';
