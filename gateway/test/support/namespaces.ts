import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Runs a command of the system; rejects with what it said. */
export const system = async (command: string, ...args: readonly string[]): Promise<string> =>
  (await run(command, args)).stdout;
const ip = (...args: readonly string[]): Promise<string> => system('ip', ...args);

/** Why no network namespaces can be made here; undefined when they can. */
export function noNamespaces(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can make network namespaces';
  const probe = `axprobe${process.pid}`;
  try {
    execFileSync('ip', ['netns', 'add', probe], { stdio: 'ignore' });
    execFileSync('ip', ['netns', 'delete', probe], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'network namespaces cannot be made here (iproute2, kernel)';
  }
}

/** One machine of the network: a namespace with one cable to the switch. */
export interface Host {
  readonly namespace: string;
  readonly address: string;
  /** Its end of the cable. */
  readonly interface: string;
  /** The end at the switch. */
  readonly port: string;
}

const PREFIX_LENGTH = 24;

/**
 * A switch in a namespace of its own, and machines plugged into it: without a default route and without any way to
 * the outside. `close` removes everything, whatever has become of it.
 */
export class NetworkLab {
  readonly name: string;
  readonly hosts: Host[] = [];
  readonly #subnet: string;

  /** The switch itself has an address: `<subnet>.254`. */
  static async open(name: string, subnet: string): Promise<NetworkLab> {
    const lab = new NetworkLab(name, subnet);
    await ip('netns', 'add', lab.hub);
    await lab.inside(lab.hub, 'ip', 'link', 'set', 'lo', 'up');
    await lab.inside(lab.hub, 'ip', 'link', 'add', 'bridge', 'type', 'bridge');
    await lab.inside(lab.hub, 'ip', 'address', 'add', `${subnet}.254/${PREFIX_LENGTH}`, 'dev', 'bridge');
    await lab.inside(lab.hub, 'ip', 'link', 'set', 'bridge', 'up');
    return lab;
  }

  private constructor(name: string, subnet: string) {
    this.name = name;
    this.#subnet = subnet;
  }

  get hub(): string {
    return `${this.name}-hub`;
  }

  get hubAddress(): string {
    return `${this.#subnet}.254`;
  }

  /** A machine whose cable is not yet plugged in when `plugged` is false. */
  async addHost(plugged = true): Promise<Host> {
    const number = this.hosts.length + 1;
    const host: Host = {
      namespace: `${this.name}-${number}`,
      address: `${this.#subnet}.${number}`,
      interface: 'eth0',
      port: `port${number}`,
    };
    this.hosts.push(host);
    await ip('netns', 'add', host.namespace);
    await this.inside(host.namespace, 'ip', 'link', 'set', 'lo', 'up');
    if (plugged) await this.plug(host);
    return host;
  }

  /** Gives a machine its cable, its address and the link. */
  async plug(host: Host, address = host.address): Promise<void> {
    const { hub } = this;
    await ip('link', 'add', host.port, 'netns', hub, 'type', 'veth', 'peer', host.interface, 'netns', host.namespace);
    await this.inside(hub, 'ip', 'link', 'set', host.port, 'master', 'bridge', 'up');
    await this.inside(host.namespace, 'ip', 'address', 'add', `${address}/${PREFIX_LENGTH}`, 'dev', host.interface);
    await this.inside(host.namespace, 'ip', 'link', 'set', host.interface, 'up');
  }

  /** Runs a command of the system inside a namespace. */
  inside(namespace: string, command: string, ...args: readonly string[]): Promise<string> {
    return ip('netns', 'exec', namespace, command, ...args);
  }

  /** Removes all namespaces, and with them cables and rules; processes in them are the caller's to end first. */
  async close(): Promise<void> {
    const all = [...this.hosts.map(({ namespace }) => namespace), this.hub];
    const results = await Promise.allSettled(all.map((namespace) => ip('netns', 'delete', namespace)));
    const failed = results.filter((result) => result.status === 'rejected');
    if (failed.length > 0)
      throw new AggregateError(
        failed.map(({ reason }) => reason),
        'namespaces are left',
      );
  }
}
