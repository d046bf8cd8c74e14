/** One progress line. On stderr, so that stdout stays the task's own. */
export const say = (text) => process.stderr.write(`[apis-edge] ${text}\n`);

/** Tells that a step begins and how long it took. A step that gives something else than 0 stops the run. */
export const step = async (title, action) => {
  const startedAt = performance.now();
  say(`${title} …`);
  const code = await action();
  if (code !== 0) throw new Error(`${title} failed (exit code ${code})`);
  say(`${title}: done in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
};
