/** Waits for something that another process or socket brings about; fails with what it waited for. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMsec = 8000,
): Promise<void> {
  const deadline = performance.now() + timeoutMsec;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMsec} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
