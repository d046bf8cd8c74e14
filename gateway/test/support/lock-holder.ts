/** A process of its own that takes the locks it is told to, says so, and keeps them until it is ended. */
import { FileLocks } from '../../src/adapters/files/file-locks.ts';

const [format = '', ...names] = process.argv.slice(2);
const locks = new FileLocks(format);
process.stdout.write(`${names.map((name) => `${name} ${locks.tryLock(name) ? 'taken' : 'refused'}`).join('\n')}\n`);
setInterval(() => {}, 60_000);
