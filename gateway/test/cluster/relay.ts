// `relay.ts <delay ms> <ways>`: TCP relays on loopback that, between SIGUSR1 and SIGUSR2, hold every byte back for a while,
// in both directions: what a slow radio link does to a mesh, where the kernel cannot delay packets itself.
import { connect, createServer, type Socket } from 'node:net';

interface Way {
  readonly host: string;
  readonly port: number;
  readonly listen: number;
}

const [delayText = '0', waysText = '[]'] = process.argv.slice(2);
let delayMsec = 0;
const ways: readonly Way[] = JSON.parse(waysText);

process.on('SIGUSR1', () => {
  delayMsec = Number(delayText);
});
process.on('SIGUSR2', () => {
  delayMsec = 0;
});

/** Every chunk, and the end, arrive so much later, in their order, also when the delay ends meanwhile. */
function pour(from: Socket, to: Socket): void {
  const queue: (() => void)[] = [];
  const later = (act: () => void): void => {
    queue.push(act);
    setTimeout(() => queue.shift()?.(), delayMsec); // the first one, whoever's timer it is
  };
  from.on('data', (chunk) => later(() => to.writable && to.write(chunk)));
  from.on('close', () => later(() => to.destroy()));
  from.on('error', () => from.destroy()); // a peer that was killed; its close says so to the other side
}

await Promise.all(
  ways.map(
    ({ host, port, listen }) =>
      new Promise<void>((resolve) => {
        const server = createServer((near) => {
          const far = connect({ host, port });
          pour(near, far);
          pour(far, near);
        });
        server.listen(listen, '127.0.0.1', resolve);
      }),
  ),
);
process.stdout.write('relays ready\n');
