import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import { CONVERTER_MODES, type ConverterMode, modeOfCode } from '../../src/domain/converter-mode.ts';
import { eventually } from './process.ts';

/** Converters behind the emulator's HTTP paths that do at once what they are told, and outlive every daemon. */
export interface Bench {
  readonly port: number;
  mode(unitId: string): ConverterMode;
  /** Sets a mode as a daemon would have done. */
  set(unitId: string, mode: ConverterMode): void;
  /** Resolves with the time at which a converter came to WAIT; rejects after `limitMsec`. */
  comesToWait(unitId: string, limitMsec: number): Promise<number>;
}

interface State {
  readonly mode: ConverterMode;
  readonly since: number;
}

export async function aBench(t: Test): Promise<Bench> {
  const states = new Map<string, State>();
  const stateOf = (unitId: string): State => states.get(unitId) ?? { mode: 'WAIT', since: 0 };
  const set = (unitId: string, mode: ConverterMode): void => {
    if (stateOf(unitId).mode !== mode) states.set(unitId, { mode, since: performance.now() });
  };
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://bench');
    const unitId = pathname.split('/').at(-1) ?? '';
    const mode = modeOfCode(searchParams.get('mode') ?? undefined);
    if (mode !== undefined) set(unitId, mode);
    const dcdc = dcdcIn(stateOf(unitId).mode);
    const unit = { dcdc, emu: { rsoc: 50, battery_operation_status: 3 } };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(pathname.startsWith('/get/unit') ? unit : dcdc));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    port: (server.address() as AddressInfo).port, // a TCP server has one
    mode: (unitId) => stateOf(unitId).mode,
    set,
    comesToWait: async (unitId, limitMsec) => {
      if (await eventually(() => stateOf(unitId).mode === 'WAIT', limitMsec)) return stateOf(unitId).since;
      throw new Error(`${unitId} is still in ${stateOf(unitId).mode} after ${limitMsec} ms`);
    },
  };
}

function dcdcIn(mode: ConverterMode) {
  const { code, operationMode, runningState } = CONVERTER_MODES[mode];
  return {
    status: { status: code, operationMode, runningState, alarmState: 'No alarm' },
    meter: { vg: 0, ig: 0, wg: 0, vb: 50, ib: 0, wb: 0, tmp: 25 },
    vdis: { dvg: 350, drg: 0 },
    param: { dig: 0 },
  };
}
