import { command } from './command.ts';
import { lockData } from './data-lock.ts';
import {
  addressLines,
  checkNodeRed,
  childEnvironment,
  NODE_RED_OPTIONS,
  NODE_RED_STOP_MSEC,
  startNodeRed,
} from './node-red-face.ts';
import { flag } from './option.ts';
import { dataDirOf, SET_UP_OPTIONS } from './set-up.ts';
import { listenForStop } from './stop-request.ts';

/** `apis node-red`: what `apis up` runs beside its gateway, beside one that somebody else looks after, as systemd does. */
export const nodeRedCommand = command({
  summary: 'run editor and dashboard beside a gateway that runs by itself',
  options: {
    data: SET_UP_OPTIONS.data,
    ...NODE_RED_OPTIONS,
    fresh: flag('begin anew with the shipped flow'),
  },
  notes: ['The first start makes the password and shows it once. "apis up" needs no such command beside it.'],
  run: async (values, _words, io) => {
    const dataDir = dataDirOf(values);
    const plan = await checkNodeRed(values, dataDir);
    const lock = await lockData(dataDir, 'supervisor.lock'); // of two supervisors both would write the flow
    const stop = listenForStop();
    const say = (line: string): void => io.err(`apis: ${line}\n`);
    try {
      const face = await startNodeRed(plan, childEnvironment(dataDir), say);
      stop.askedAgain.then(() => face.child.kill()).catch(() => undefined); // never rejects
      const lines = await addressLines(face, stop.asked, say);
      if (lines !== undefined) io.out(['Node-RED is running.', ...lines, ''].join('\n'));
      await stop.asked;
      await face.child.stop(NODE_RED_STOP_MSEC);
      return 0;
    } finally {
      stop.dispose();
      await lock.release();
    }
  },
});
