/**
 * Preloaded into Node-RED: ends it when the supervisor's pipe breaks. Without it a killed supervisor would leave
 * Node-RED behind, with the port.
 */
const LAST_RESORT_MSEC = 5_000;

process.on('disconnect', () => {
  process.kill(process.pid, 'SIGTERM');
  setTimeout(() => process.exit(1), LAST_RESORT_MSEC).unref();
});
