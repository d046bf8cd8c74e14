import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CertificateAuthority } from '../../src/adapters/identity/certificates.ts';
import { installIdentity } from '../../src/adapters/identity/identity-files.ts';
import { type CommunityState, UnitClient } from '../../src/client/index.ts';
import { demoHwConfig, demoPolicy } from '../../src/config/defaults.ts';
import { type Deal, isNewerCopy } from '../../src/domain/deal.ts';
import { tlsFiles } from '../support/certificates.ts';
import { type Host, system } from '../support/namespaces.ts';
import { Running } from '../support/process.ts';
import { impatient } from '../support/separate-houses.ts';
import { UnitsWatch } from './units-watch.ts';
import { Watcher } from './watcher.ts';

const APIS = fileURLToPath(new URL('../../bin/apis.js', import.meta.url));
const BROKER_PORT = 18_830;
const EMULATOR_PORT = 4_390;
const RELAY = fileURLToPath(new URL('./relay.ts', import.meta.url));
const RELAY_PORT = 19_000;

/** What the houses are charged to, %, and what two deals of 50 Wh and a half one are to a battery of 4800 Wh. */
const FULL = 93;
const EMPTY = 40;
const WISH_WH = 125;
const whOf = (rsoc: number): number => 48 * rsoc;

const to = (limitWh: number) => ({ limitWh, pointPerWh: 10 });
const rules = { excess: { discharge: to(whOf(FULL) - WISH_WH) }, short: { charge: to(whOf(EMPTY) + WISH_WH) } };
/** Full batteries offer, empty ones ask, each as much as two deals; as a file has it. */
const aTradingScenario = {
  '00:00:00-24:00:00': { batteryStatus: { '3600-': 'excess', '-3600': 'short' }, request: rules, accept: rules },
};

/** One house: a namespace with a supervisor and its gateway. */
export interface Member {
  readonly unitId: string;
  readonly host: Host;
  readonly config: string;
  readonly data: string;
  up: Running | undefined;
  /** Files by which a client may look at it. */
  readonly tls?: ReturnType<typeof tlsFiles>;
}

export interface ClusterOptions {
  readonly directory: string;
  readonly hosts: readonly Host[];
  readonly emulatorHost: Host;
  readonly gridCurrentA: number;
  readonly admission: 'capacity' | 'n-1';
  /** With certificates of a cluster CA, as in houses; plain otherwise. */
  readonly tls: boolean;
  /** The units know each other as static peers behind relays that can hold every byte back for so long; absent: by mDNS. */
  readonly delayMsec?: number;
}

/** What of the cluster somebody needs who listens to its units. */
export type UnitsLab = Pick<ClusterLab, 'members' | 'client' | 'state'>;

/** Four gateways, each on a machine of its own, that know each other by mDNS alone, and the grid they share. */
export class ClusterLab {
  readonly members: readonly Member[];
  readonly watcher: Watcher;
  readonly admission: ClusterOptions['admission'];
  #units: UnitsWatch | undefined;
  readonly emulator: Running;
  readonly #relays: readonly Running[];
  readonly #emulatorUrl: string;
  readonly #clients = new Map<string, UnitClient>();

  static async open(options: ClusterOptions): Promise<ClusterLab> {
    const { directory, hosts, emulatorHost, tls, delayMsec, ...deal } = options;
    const unitIds = hosts.map((_, index) => `E00${index + 1}`);
    const emulator = inside(emulatorHost, [
      APIS,
      'emulator',
      '--houses',
      String(hosts.length),
      '--host',
      emulatorHost.address,
      '--port',
      String(EMULATOR_PORT),
    ]);
    await emulator.says('out', /Emulator ready/);
    const authority = tls ? await CertificateAuthority.create(join(directory, 'ca'), 'lab') : undefined;
    const base = impatient(demoPolicy(unitIds, { gridCurrentA: deal.gridCurrentA }));
    // Wherever it was elected: the office and the voltage reference are two units as often as one.
    const gridMasterSelection = { strategy: 'anywhere' };
    const policy = {
      ...base,
      gridMaster: { ...base.gridMaster, admission: deal.admission, gridMasterSelection },
    };
    const addresses = hosts.map(({ address }, index) => ({ unitId: unitIds[index] ?? '', host: address }));
    const relays: Running[] = [];
    const members = await Promise.all(
      hosts.map(async (host, index): Promise<Member> => {
        const unitId = unitIds[index] ?? '';
        const home = join(directory, unitId);
        await mkdir(home, { recursive: true });
        const put = (name: string, content: object): Promise<void> =>
          writeFile(join(home, name), JSON.stringify(content));
        await put('hwConfig.json', demoHwConfig());
        await put('policy.json', policy);
        await put('scenario.json', aTradingScenario);
        await put('config.json', {
          communityId: 'lab',
          clusterId: 'lab',
          unitId,
          hwConfigFile: './hwConfig.json',
          policyFile: './policy.json',
          scenarioFile: './scenario.json',
          systemType: 'dcdc_emulator',
          connection: { emulator: { host: emulatorHost.address, port: EMULATOR_PORT } },
          mqtt: { host: host.address, port: BROKER_PORT, ...(tls ? {} : { insecure: true }) },
          ...(delayMsec === undefined
            ? { discovery: { mdns: true, interface: host.interface } }
            : { discovery: { mdns: false }, peers: await peersBehind(relays, host, addresses, delayMsec) }),
        });
        const data = join(home, 'data');
        const certificates = join(data, unitId, 'certs');
        const files = tls ? { tls: tlsFiles(certificates) } : {};
        return { unitId, host, config: join(home, 'config.json'), data, up: undefined, ...files };
      }),
    );
    // One after the other: the authority keeps one list of what it has issued.
    for (const { unitId, data } of members) {
      const pems = await authority?.issue({ name: unitId, role: 'unit' });
      if (pems !== undefined) await installIdentity(join(data, unitId, 'certs'), pems);
    }
    const url = `http://${emulatorHost.address}:${EMULATOR_PORT}`;
    return new ClusterLab(members, emulator, url, deal.admission, relays);
  }

  private constructor(
    members: readonly Member[],
    emulator: Running,
    emulatorUrl: string,
    admission: ClusterOptions['admission'],
    relays: readonly Running[],
  ) {
    this.#relays = relays;
    this.admission = admission;
    this.members = members;
    this.emulator = emulator;
    this.#emulatorUrl = emulatorUrl;
    this.watcher = new Watcher(emulatorUrl);
  }

  /** What the units say; listens from the first call on. */
  get units(): UnitsWatch {
    this.#units ??= new UnitsWatch(this);
    return this.#units;
  }

  member(unitId: string): Member {
    const found = this.members.find((one) => one.unitId === unitId);
    if (found === undefined) throw new Error(`no unit ${unitId}`);
    return found;
  }

  /** From now on every byte between the units is late, or no longer. */
  delay(isOn: boolean): void {
    for (const { child } of this.#relays) child.kill(isOn ? 'SIGUSR1' : 'SIGUSR2');
  }

  /** Batteries for trade: half of the houses full, the others empty. */
  async charge(): Promise<void> {
    for (const [index, { unitId }] of this.members.entries()) {
      await fetch(`${this.#emulatorUrl}/set/emu/${unitId}?rsoc=${index % 2 === 0 ? FULL : EMPTY}`);
    }
  }

  start(member: Member): void {
    member.up = inside(member.host, [APIS, 'up', '--no-node-red', '--config', member.config, '--data', member.data]);
  }

  /** Supervisor and gateway of a unit, by their ids. */
  async pids({ host }: Member): Promise<readonly number[]> {
    return (await system('ip', 'netns', 'pids', host.namespace)).trim().split('\n').filter(Boolean).map(Number);
  }

  /** Id of the gateway itself, as it wrote it down. */
  async gatewayPid({ data }: Member): Promise<number> {
    return JSON.parse(await readFile(join(data, 'daemon.json'), 'utf8')).pid;
  }

  async signalGateway(member: Member, signal: NodeJS.Signals): Promise<void> {
    process.kill(await this.gatewayPid(member), signal);
  }

  /** What a unit says of itself. */
  client({ unitId, host, tls }: Member): UnitClient {
    const known = this.#clients.get(unitId);
    if (known !== undefined) return known;
    const client = UnitClient.attach({ host: host.address, port: BROKER_PORT, ...(tls && { tls }) }, { follow: false });
    this.#clients.set(unitId, client);
    return client;
  }

  /** What all of them say together: the newest copy of each deal, and the newest grid master's word. */
  state(): Pick<CommunityState, 'deals' | 'grid'> {
    const states = this.members.map((member) => this.client(member).state());
    const deals = new Map<string, Deal>();
    for (const deal of states.flatMap((state) => state.deals)) {
      const known = deals.get(deal.dealId);
      if (known === undefined || isNewerCopy(deal, known)) deals.set(deal.dealId, deal);
    }
    const grid = states.flatMap((state) => state.grid ?? []).toSorted((one, other) => other.term - one.term)[0];
    return { deals: [...deals.values()], ...(grid === undefined ? {} : { grid }) };
  }

  /** Resolves with the time at which it first held; rejects after `limitMsec`. */
  async until(
    what: string,
    holds: (state: ReturnType<ClusterLab['state']>) => boolean,
    limitMsec: number,
  ): Promise<number> {
    for (const end = performance.now() + limitMsec; ; await pause(50)) {
      if (holds(this.state())) return performance.now();
      if (performance.now() > end)
        throw new Error(`${what} did not happen within ${limitMsec} ms: ${this.watcher.text()}`);
    }
  }

  /** What the gateways have said last, for whoever has to find out why. */
  words(): string {
    const tail = (text = ''): string => text.split('\n').slice(-12).join('\n');
    return this.members.map(({ unitId, up }) => `${unitId}\n${tail(up?.out)}${tail(up?.err)}`).join('\n');
  }

  /** All that the gateways have said, each beside its config. */
  async keepWords(): Promise<void> {
    await Promise.all(
      this.members.map(({ config, up }) =>
        writeFile(join(dirname(config), 'up.log'), `${up?.out ?? ''}${up?.err ?? ''}`),
      ),
    );
  }

  async close(): Promise<void> {
    await Promise.all([this.watcher.stop(), this.#units?.stop()]);
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
  }
}

const inside = ({ namespace }: Host, args: readonly string[]): Running =>
  new Running('netns', ['exec', namespace, process.execPath, ...args], { program: 'ip' });

/** In the unit's own namespace a relay to each of the others; gives where it finds them. */
async function peersBehind(
  relays: Running[],
  host: Host,
  all: readonly { unitId: string; host: string }[],
  delayMsec: number,
): Promise<readonly { unitId: string; host: string; port: number }[]> {
  const others = all.filter((one) => one.host !== host.address);
  const ways = others.map((one, index) => ({ ...one, port: BROKER_PORT, listen: RELAY_PORT + index }));
  const relay = inside(host, [RELAY, String(delayMsec), JSON.stringify(ways)]);
  await relay.says('out', /relays ready/);
  relays.push(relay);
  return ways.map(({ unitId, listen }) => ({ unitId, host: '127.0.0.1', port: listen }));
}
