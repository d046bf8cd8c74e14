import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { identityPaths, installIdentity } from '../src/adapters/identity/identity-files.ts';
import { type CommunityState, UnitClient } from '../src/client/index.ts';
import { demoPolicy } from '../src/config/defaults.ts';
import type { Policy } from '../src/config/policy.ts';
import { modeOfCode } from '../src/domain/converter-mode.ts';
import type { Deal } from '../src/domain/deal.ts';
import { someCertificates, tlsFiles } from './support/certificates.ts';
import { apis, freePorts, Running } from './support/process.ts';
import { type House, impatient, separateHouses } from './support/separate-houses.ts';

/** Gateways as they stand in houses: a process each, mutual TLS, a real emulator; killed, frozen and copied. */

t.setTimeout(450_000);

t.test('separate gateways trade, and go on when one is killed, frozen or copied', { timeout: 220_000 }, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'apis-gateways-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const certificates = await someCertificates(t, 'demo');
  const policy = (unitIds: readonly string[]): Policy => {
    const { gridMaster, ...rest } = impatient(demoPolicy(unitIds));
    return { ...rest, gridMaster: { ...gridMaster, gridMasterSelection: { strategy: 'fixed', fixedUnitId: 'E002' } } };
  };
  const { houses, emulator, emulatorPort, start } = await separateHouses(directory, { count: 3, policy });
  t.teardown(() => emulator.child.kill('SIGKILL'));
  for (const { unitId, data } of houses) {
    const pems = await certificates.authority.issue({ name: unitId, role: 'unit' });
    await installIdentity(join(data, unitId, 'certs'), pems);
  }
  await emulator.says('out', /Emulator ready/);
  for (const [index, rsoc] of [92, 55, 30].entries()) {
    await fetch(`http://127.0.0.1:${emulatorPort}/set/emu/E00${index + 1}?rsoc=${rsoc}`);
  }

  const running = new Map<string, Running>();
  const launch = (house: House): Running => {
    const gateway = start(house);
    running.set(house.unitId, gateway);
    return gateway;
  };
  t.teardown(() => {
    for (const { child } of running.values()) child.kill('SIGKILL');
  });
  const [e1, e2, e3] = houses as [House, House, House]; // three were asked for
  await Promise.all(houses.map((house) => launch(house).says('out', /Gateway ready/)));

  // Who holds the key of E003 may look at all of them.
  const tls = tlsFiles(join(e3.data, 'E003', 'certs'));
  const client = UnitClient.attach({ host: '127.0.0.1', port: e3.port, tls });
  t.teardown(() => client.close());
  const isOngoing = ({ startDateTime, stopDateTime }: Deal): boolean =>
    startDateTime !== undefined && stopDateTime === undefined;
  const isRunning = ({ deals }: CommunityState): boolean => deals.some(isOngoing);
  await client.when(isRunning, 60_000);
  t.pass('a deal runs among three processes');

  const former = client.state().grid;
  const victim = houses.find(({ unitId }) => unitId === former?.gridMasterUnitId) ?? e1;
  const survivor = victim === e2 ? e1 : e2;
  const watch = UnitClient.attach({ host: '127.0.0.1', port: survivor.port, tls });
  t.teardown(() => watch.close());
  await watch.ready(5_000);
  const killed = performance.now();
  running.get(victim.unitId)?.child.kill('SIGKILL');
  await watch.when(({ grid }) => (grid?.term ?? 0) > (former?.term ?? 0), 15_000);
  t.equal(former?.gridMasterUnitId, 'E002', 'the fixed one leads');
  t.comment(`another grid master after ${Math.round(performance.now() - killed)} ms`);
  await launch(victim).says('out', /Gateway ready/);
  await watch.when(isRunning, 60_000);
  t.pass('trading resumes by itself after kill -9 of the grid master (INV-10)');

  const before = watch.state();
  const returned = ({ grid }: CommunityState): boolean => grid?.gridMasterUnitId === 'E002' && grid.granting;
  await watch.when(returned, 60_000);
  t.ok(
    before.deals
      .filter((deal) => isOngoing(deal) && before.grid?.gridMasterUnitId !== 'E002')
      .every(({ dealId }) => watch.state().deals.some((deal) => deal.dealId === dealId && isOngoing(deal))),
    'RULE-6: the deals go on while the fixed grid master gets its office back',
  );

  const master = watch.state().grid?.gridMasterUnitId;
  const frozen = houses.find(({ unitId }) => unitId !== master && unitId !== survivor.unitId) ?? e3;
  const frozenAt = running.get(frozen.unitId);
  frozenAt?.child.kill('SIGSTOP');
  await watch.when(({ units }) => units[frozen.unitId]?.online === false, 10_000);
  frozenAt?.child.kill('SIGCONT');
  await watch.when(({ units }) => units[frozen.unitId]?.online === true, 10_000);
  await watch.when(isRunning, 60_000);
  t.pass('a frozen gateway is missed, and taken back when it thaws');

  const copied = JSON.parse(await readFile(e2.config, 'utf8'));
  const [port] = await freePorts(1);
  const config = join(directory, 'E002', 'copy.json');
  // Another way to the same converter, as from another machine: the lock on it must not be what stops it.
  const tunnel = createServer((socket) => {
    const end = connect(emulatorPort, '127.0.0.1');
    for (const one of [socket, end]) one.on('error', () => {}); // the copy ends with its connections
    socket.pipe(end).pipe(socket);
  });
  t.teardown(() => tunnel.close());
  const [way = 0] = await freePorts(1);
  await new Promise<void>((resolve) => tunnel.listen(way, '127.0.0.1', resolve));
  const connection = { emulator: { host: '127.0.0.1', port: way } };
  await writeFile(config, JSON.stringify({ ...copied, connection, mqtt: { ...copied.mqtt, port } }));
  const data = join(directory, 'copy');
  await installIdentity(join(data, 'E002', 'certs'), await certificates.authority.renew('E002'));
  const copy = apis('gateway', '--config', config, '--data', data);
  t.equal(await copy.ended, 2, copy.err);
  t.match(copy.err, /unitId: expected an id that no other unit has, got E002, which lives at 127\.0\.0\.1:\d+ already/);
  t.ok(watch.state().units.E002?.online, 'the first one goes on');

  const certs = join(directory, 'operator');
  await installIdentity(certs, await certificates.authority.issue({ name: 'operator', role: 'operator' }));
  const own = identityPaths(certs);
  const file = join(directory, 'policy.json');
  const given = policy(houses.map(({ unitId }) => unitId));
  const deal = { ...given.mediator.deal, gridCurrentA: 1.5 };
  await writeFile(file, JSON.stringify({ ...given, mediator: { ...given.mediator, deal } }));
  const hashes = ({ units }: CommunityState): readonly (string | undefined)[] =>
    Object.values(units).map(({ birth }) => birth?.policyHash);
  const [formerHash] = hashes(watch.state());
  const paths = ['--ca', own.ca, '--cert', own.cert, '--key', own.key];
  const smaller = join(directory, 'smaller.json');
  await writeFile(smaller, JSON.stringify({ ...given, memberUnitIds: given.memberUnitIds.slice(1) }));
  const refused = apis('policy', smaller, '--gateway', `127.0.0.1:${e1.port}`, ...paths);
  t.equal(await refused.ended, 3);
  t.match(refused.err, /memberUnitIds: expected \S.*, got \S.*: members change only at a restart/);
  t.same(hashes(watch.state()), Array(houses.length).fill(formerHash), 'and nothing has changed');

  const told = apis('policy', file, '--gateway', `127.0.0.1:${e1.port}`, ...paths);
  t.equal(await told.ended, 0, told.err);
  running.get('E003')?.child.kill('SIGKILL');
  await launch(e3).says('out', /Gateway ready/);
  const operator = UnitClient.attach({ host: '127.0.0.1', port: e1.port, tls: tlsFiles(certs) });
  t.teardown(() => operator.close());
  await operator.ready(5_000);
  for (const { dealId } of watch.state().deals) {
    await operator.send({ kind: 'deal.stop', dealId, reason: 'test' }).catch(() => undefined); // it may have ended
  }
  await watch.when((state) => hashes(state).every((hash) => hash !== formerHash && hash === hashes(state)[0]), 60_000);
  await watch.when(({ deals }) => deals.some((one) => isOngoing(one) && one.dealGridCurrentA === 1.5), 60_000);
  t.pass('RULE-15: a new policy counts everywhere, though a unit was killed after it had staged it');

  const endings = houses.map(({ unitId }) => {
    const gateway = running.get(unitId);
    gateway?.child.kill('SIGTERM');
    return gateway?.ended;
  });
  t.same(await Promise.all(endings), [0, 0, 0]);
});

/** Why no file system can be mounted for one process alone; undefined when it can. */
function noMounts(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can mount a file system';
  const { status } = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt']);
  return status === 0 ? undefined : 'a file system cannot be mounted here (unshare, kernel)';
}

/** What can befall a disk, each with its cure; `inside` runs a program where the disk of the process is. */
const AILMENTS: Readonly<Record<string, (data: string) => { readonly falls: string; readonly heals: string }>> = {
  'full disk': (data) => ({
    falls: `dd if=/dev/zero of=${data}/fill bs=4096 2>/dev/null; true`,
    heals: `rm ${data}/fill`,
  }),
  // Refused while a file is open for writing, and the gateway writes whenever it likes.
  'read-only disk': (data) => ({
    falls: `for _ in $(seq 200); do mount -o remount,ro ${data} 2>/dev/null && exit; sleep 0.05; done; exit 1`,
    heals: `mount -o remount,rw ${data}`,
  }),
};

const skipped = noMounts();
t.test(
  'a full or read-only disk is a fault and a safe stop, and trading resumes when it is healed (INV-7, INV-10)',
  { timeout: 220_000, ...(skipped === undefined ? {} : { skip: skipped }) },
  async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'apis-disks-'));
    t.teardown(() => rm(directory, { recursive: true, force: true }));
    const { houses, emulator, emulatorPort, start } = await separateHouses(directory, {
      count: 2,
      policy: (unitIds) => {
        const { user, ...rest } = impatient(demoPolicy(unitIds));
        return { ...rest, user: { ...user, errorSustainingMsec: 3_000 } };
      },
    });
    t.teardown(() => emulator.child.kill('SIGKILL'));
    await emulator.says('out', /Emulator ready/);
    for (const [unitId, rsoc] of [
      ['E001', 92],
      ['E002', 30],
    ] as const) {
      await fetch(`http://127.0.0.1:${emulatorPort}/set/emu/${unitId}?rsoc=${rsoc}`);
    }
    const [sick, sound] = houses as [House, House]; // two were asked for
    await mkdir(sick.data, { recursive: true });
    const mounted = `mount -t tmpfs -o size=2m none ${sick.data} && exec "$0" "$@"`;
    const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
    const own = [process.execPath, main, 'gateway', '--config', sick.config, '--data', sick.data];
    const gateway = new Running('--mount', ['sh', '-c', mounted, ...own], { program: 'unshare' });
    const other = start(sound);
    t.teardown(() => [gateway, other].map(({ child }) => child.kill('SIGKILL')));
    await Promise.all([gateway, other].map((one) => one.says('out', /Gateway ready/)));
    const inside = (words: string): void => {
      execFileSync('nsenter', ['--mount', '--target', String(gateway.pid), 'sh', '-c', words]);
    };
    const client = UnitClient.attach({ host: '127.0.0.1', port: sick.port });
    t.teardown(() => client.close());
    const modeOfSick = ({ units }: CommunityState): string | undefined =>
      modeOfCode(units.E001?.unit?.dcdc.status.status);
    const isResting = (state: CommunityState): boolean => modeOfSick(state) === 'WAIT';
    const isTrading = (state: CommunityState): boolean =>
      modeOfSick(state) !== undefined &&
      !isResting(state) &&
      state.deals.some(({ startDateTime, stopDateTime }) => startDateTime !== undefined && stopDateTime === undefined);

    for (const [name, ailment] of Object.entries(AILMENTS)) {
      const { falls, heals } = ailment(sick.data);
      await client.when(isTrading, 100_000);
      inside(falls);
      const began = performance.now();
      client.send({ kind: 'mode', value: 'heteronomous' }).catch(() => undefined); // something to be made durable
      const known = new Set(client.state().faults.map(({ faultId }) => faultId));
      const isTold = ({ faults }: CommunityState): boolean =>
        faults.some(
          ({ faultId, unitId, reason }) => unitId === 'E001' && reason === 'store.failed' && !known.has(faultId),
        );
      await client.when(isTold, 10_000);
      await client.when(isResting, 15_000);
      t.comment(`${name}: in WAIT after ${Math.round(performance.now() - began)} ms`);
      t.equal(gateway.child.exitCode, null, `${name}: it lives`);
      inside(heals);
      await client.send({ kind: 'mode', value: 'autonomous' });
      await client.when(isTrading, 100_000);
      t.pass(`${name}: trades again after ${Math.round(performance.now() - began)} ms`);
    }
    for (const { child } of [gateway, other]) child.kill('SIGTERM');
    t.same(await Promise.all([gateway.ended, other.ended]), [0, 0]);
  },
);
