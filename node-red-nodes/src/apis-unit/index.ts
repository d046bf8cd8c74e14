import { readDaemonFile } from '@apis-edge/gateway/client';
import type { NodeAPI, NodeDef } from 'node-red';
import { daemonFilePath, type UnitChoice } from '../lib/address.ts';
import type { ApisUnitNode } from '../lib/attach.ts';
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
}

const portOf = (value: string | number | undefined): number | undefined => {
  const port = Number(value);
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
};

const choiceOf = (config: ApisUnitDef): UnitChoice => {
  const port = portOf(config.port);
  // A port alone means a gateway of this machine.
  const host = config.host?.trim() || (port === undefined ? '' : '127.0.0.1');
  return { unitId: config.unitId?.trim() ?? '', host, port };
};

const roleOf = ({ role }: ApisUnitDef): Role => ROLES.find((one) => one === role) ?? 'operator';

/** Units of the local daemon for the editor's drop-down; none when no daemon runs. */
function serveUnits(RED: NodeAPI): void {
  RED.httpAdmin.get('/apis-edge/units', RED.auth.needsPermission('apis-edge.read'), (_request, response) => {
    readDaemonFile(daemonFilePath()).then(
      ({ units }) => response.json(units.map(({ unitId, host, port }) => ({ unitId, host, port }))),
      () => response.json([]),
    );
  });
}

/** Config node: which unit, and the one connection to it that all nodes share. */
export default function register(RED: NodeAPI): void {
  serveUnits(RED);
  registerNode<ApisUnitDef, ApisUnitNode>(RED, 'apis-unit', (node, config) => {
    Object.assign(node, { link: new UnitLink(choiceOf(config), daemonFilePath(), roleOf(config)) });
  });
}
