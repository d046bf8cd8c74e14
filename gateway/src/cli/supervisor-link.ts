import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { PRIVATE_MODE } from '../adapters/files/atomic-file.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import { identityOf } from './process-identity.ts';
import { SilenceWatch } from './silence-watch.ts';
import { type DaemonMessage, makeSocketDirectory, messageLine, supervisorSocket } from './supervisor-socket.ts';

/** A daemon that has lost its supervisor goes on for so long: a new one may take it over (RULE-17). */
const ORPHAN_MSEC: Milliseconds = 10_000;
/** Often enough for whoever listens, and no noise. */
const BEAT_MSEC: Milliseconds = 400;

/** The daemon's end of the line to its supervisor. */
export interface SupervisorLink {
  /** Resolves, with the reason, when no supervisor has said anything for 10 s. */
  readonly orphaned: Promise<string>;
  /** Tells a change; whoever attaches later hears of the last one. */
  say(message: DaemonMessage): void;
  /** Tells that all control loops go round; more often than needed is fine. */
  beat(): void;
  close(): Promise<void>;
}

/** A daemon that runs without supervisor. */
export const NO_SUPERVISOR: SupervisorLink = {
  orphaned: new Promise(() => {}),
  say: () => {},
  beat: () => {},
  close: async () => {},
};

/** Listens for supervisors of a data directory that this process has locked; `args` are those of its command line. */
export async function openSupervisorLink(
  dataDir: string,
  args: readonly string[],
  orphanMsec: Milliseconds = ORPHAN_MSEC,
): Promise<SupervisorLink> {
  const path = supervisorSocket(dataDir);
  const orphaned = Promise.withResolvers<string>();
  const supervisors = new Set<Socket>();
  let state: DaemonMessage = { kind: 'hello', ...(await identityOf(process.pid)), args: [...args] };
  const hello = state;
  let beatAt = Number.NEGATIVE_INFINITY;
  const tell = (message: DaemonMessage): void => {
    for (const supervisor of supervisors) supervisor.write(messageLine(message));
  };
  const server = createServer();
  await makeSocketDirectory(path);
  // Left behind by a daemon that was killed: this process has the data directory now.
  await rm(path, { force: true });
  await listen(server, path);
  await chmod(path, PRIVATE_MODE);
  server.unref();
  // A frozen supervisor keeps its connection and looks after nobody: what it says is the sign that it is there.
  const patience = { firstMsec: orphanMsec, silentMsec: orphanMsec };
  const watch = new SilenceWatch(patience, () => orphaned.resolve('the supervisor has gone'));
  server.on('connection', (supervisor: Socket) => {
    supervisors.add(supervisor);
    supervisor.on('error', () => undefined); // told by `close`
    supervisor.on('data', () => watch.heard());
    supervisor.on('close', () => {
      supervisors.delete(supervisor);
      watch.heard(); // until now it was there
    });
    supervisor.write(messageLine(hello));
    if (state !== hello) supervisor.write(messageLine(state));
  });
  return {
    orphaned: orphaned.promise,
    say: (message) => {
      state = message;
      tell(message);
    },
    beat: () => {
      if (performance.now() - beatAt < BEAT_MSEC) return;
      beatAt = performance.now();
      tell({ kind: 'beat' });
    },
    close: async () => {
      for (const supervisor of supervisors) supervisor.destroy();
      await new Promise((resolve) => server.close(resolve));
      watch.end();
    },
  };
}

const listen = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
