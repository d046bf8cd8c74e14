/** A process of its own that takes each data directory it is told, says whether it got it, and keeps it. */
import { lockData } from '../../src/cli/data-lock.ts';

process.on('message', (directory: string) => {
  lockData(directory).then(
    () => process.send?.('taken'),
    (error: Error) => process.send?.(error.message),
  );
});
process.send?.('here');
