import { type FoundUnit, findUnits } from '@apis-edge/gateway/client';

/** So long an editor's drop-down, or a node that looks for its unit, waits for units to announce themselves. */
const WAIT_MSEC = 700;

/** Units that announce themselves by mDNS; `APIS_MDNS_INTERFACE` keeps the question to one interface. */
export function discovered(environment: NodeJS.ProcessEnv = process.env): Promise<readonly FoundUnit[]> {
  const name = environment.APIS_MDNS_INTERFACE;
  return findUnits({ waitMsec: WAIT_MSEC, ...(name ? { interface: name } : {}) });
}
