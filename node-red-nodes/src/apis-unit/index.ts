import { readDaemonFile } from '@apis-edge/gateway/client';
import type { NodeAPI, NodeDef } from 'node-red';
import { daemonFilePath, type UnitChoice } from '../lib/address.ts';
import type { ApisUnitNode } from '../lib/attach.ts';
import { discovered } from '../lib/discovered.ts';
import { registerNode } from '../lib/register.ts';
import { UnitLink } from '../lib/unit-link.ts';
import { ROLES, type Role } from '../lib/widget-message.ts';

interface ApisUnitDef extends NodeDef {
  readonly unitId?: string;
  readonly host?: string;
  /** A number, its text, or an environment variable that Node-RED has replaced by its text. */
  readonly port?: string | number;
  /** One of `ROLES`; what is none of them counts as operator, the default. */
  readonly role?: string;
  /** Files of the cluster's CA, of the certificate and of its key: all three or none. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

const FILES = ['ca', 'cert', 'key'] as const;

/** The files for TLS; undefined when none is named. Throws when some are missing. */
function filesOf(config: ApisUnitDef): UnitChoice['tls'] {
  const [ca = '', cert = '', key = ''] = FILES.map((name) => config[name]?.trim());
  const missing = FILES.filter((name) => !config[name]?.trim());
  if (missing.length === FILES.length) return undefined;
  if (missing.length > 0) throw new Error(`certificate files: expected ca, cert and key, got no ${missing.join(', ')}`);
  return { ca, cert, key };
}

/** Undefined for an empty field. Throws for what is no port. */
const portOf = (value: string | number | undefined): number | undefined => {
  if ((value ?? '') === '') return undefined;
  const port = Number(value);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new Error(`port: expected 1 to 65535, got ${JSON.stringify(value)}`);
};

const choiceOf = (config: ApisUnitDef): UnitChoice => {
  const port = portOf(config.port);
  // A port alone means a gateway of this machine.
  const host = config.host?.trim() || (port === undefined ? '' : '127.0.0.1');
  const tls = filesOf(config);
  return { unitId: config.unitId?.trim() ?? '', host, port, ...(tls === undefined ? {} : { tls }) };
};

const roleOf = ({ role }: ApisUnitDef): Role => ROLES.find((one) => one === role) ?? 'operator';

/** A unit as the editor offers it; one of another computer comes with its cluster and has to be named by its address. */
interface OfferedUnit {
  readonly unitId: string;
  readonly host: string;
  readonly port: number;
  readonly cluster?: string;
}

async function offeredUnits(): Promise<readonly OfferedUnit[]> {
  const [local, announced] = await Promise.all([
    readDaemonFile(daemonFilePath()).then(
      ({ units }) => units,
      () => [],
    ),
    discovered().catch(() => []), // no network is no reason to offer nothing
  ]);
  const own = local.map(({ unitId, host, port }) => ({ unitId, host, port }));
  const others = announced
    .filter(({ unitId, port }) => !own.some((one) => one.unitId === unitId && one.port === port))
    .map(({ unitId, host, port, clusterId }) => ({ unitId, host, port, cluster: clusterId }));
  return [...own, ...others];
}

/** Units for the editor's drop-down: those of the local daemon, then those that announce themselves by mDNS. */
function serveUnits(RED: NodeAPI): void {
  RED.httpAdmin.get('/apis-edge/units', RED.auth.needsPermission('apis-edge.read'), (_request, response) => {
    void offeredUnits().then((units) => response.json(units));
  });
}

/** Config node: which unit, and the one connection to it that all nodes share. */
export default function register(RED: NodeAPI): void {
  serveUnits(RED);
  registerNode<ApisUnitDef, ApisUnitNode>(RED, 'apis-unit', (node, config) => {
    Object.assign(node, { link: new UnitLink(choiceOf(config), daemonFilePath(), roleOf(config)) });
  });
}
