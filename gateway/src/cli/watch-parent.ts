/**
 * Preloaded into Node-RED: tells the supervisor that its event loop turns, and ends it when the supervisor's pipe
 * breaks. Without it a killed supervisor would leave Node-RED behind, with the port.
 */
const LAST_RESORT_MSEC = 5_000;
const BEAT_MSEC = 1_000;

setInterval(() => process.send?.('beat', undefined, undefined, () => undefined), BEAT_MSEC).unref();

process.on('disconnect', () => {
  process.kill(process.pid, 'SIGTERM');
  setTimeout(() => process.exit(1), LAST_RESORT_MSEC).unref();
});
