import type { Deal } from '../../src/domain/deal.ts';
import type { Birth, ElectionState, GridState, ModeState } from '../../src/domain/messages.ts';
import type { UnitData } from '../../src/domain/unit-data.ts';

/** Builders of whole, valid messages; tests name only what they are about. */

export const aBirth = (unitId: string, more: Partial<Birth> = {}): Birth => ({
  unitId,
  session: `${unitId}-session`,
  version: '0.1.0',
  display: `House ${unitId}`,
  policyHash: 'none',
  startedAt: 0,
  ...more,
});

export const aBeacon = (more: Partial<ElectionState> = {}): ElectionState => ({
  session: 'session',
  beacon: 1,
  term: 1,
  role: 'follower',
  ...more,
});

export const aMode = (value: ModeState['effective'] = 'autonomous'): ModeState => ({
  global: { value, term: 1, revision: 1 },
  local: null,
  effective: value,
});

export const aGrid = (gridMasterUnitId: string, more: Partial<GridState> = {}): GridState => ({
  gridMasterUnitId,
  session: `${gridMasterUnitId}-session`,
  term: 1,
  pass: 1,
  passMsec: 3,
  mode: { value: 'autonomous', term: 1, revision: 1 },
  permitMsec: 5000,
  permits: [],
  granting: true,
  hasGlobalErrors: false,
  ...more,
});

export const aUnit = (unitId: string, rsoc = 50): UnitData => ({
  time: '2026/01/02-03:04:05',
  oesunit: {
    communityId: 'test',
    clusterId: 'one',
    id: unitId,
    display: `House ${unitId}`,
    sn: '1',
    budo: '1',
    ip: 'NA',
    ipv6_ll: 'NA',
    ipv6_g: 'NA',
    mac: 'NA',
  },
  dcdc: {
    status: { status: '0x0041', operationMode: 'Heteronomy CV', alarmState: 'No alarm', runningState: 'charge' },
    meter: { vg: 350.1, ig: 2.01, wg: 703.7, vb: 52, ib: 12, wb: 624, tmp: 25 },
    vdis: { dvg: 350, drg: 0 },
    param: { dig: 2 },
  },
  battery: { rsoc, battery_operation_status: 3 },
  emu: { rsoc, pvc_charge_power: 800, ups_output_power: 300, charge_discharge_power: 500 },
  apis: {
    version: '0.1.0',
    remaining_capacity_wh: 2400,
    deal_interlock_capacity: 1,
    energy_wh: 12,
    operation_mode: { global: 'autonomous', local: null, effective: 'autonomous' },
  },
});

export const aDeal = (dealId: string, more: Partial<Deal> = {}): Deal => ({
  dealId,
  unitId: 'E001',
  negotiationId: `${dealId}-negotiation`,
  requestUnitId: 'E001',
  acceptUnitId: 'E002',
  requestDateTime: '2026/01/02-03:00:00',
  acceptDateTime: '2026/01/02-03:00:01',
  requestPointPerWh: 10,
  acceptPointPerWh: 10,
  requestDealGridCurrentA: 2,
  acceptDealGridCurrentA: 2,
  type: 'charge',
  chargeUnitId: 'E001',
  dischargeUnitId: 'E002',
  pointPerWh: 10,
  chargeUnitEfficientGridVoltageV: null,
  dischargeUnitEfficientGridVoltageV: null,
  dealGridCurrentA: 2,
  requestAmountWh: 100,
  acceptAmountWh: 100,
  dealAmountWh: 100,
  createDateTime: '2026/01/02-03:00:02',
  term: 1,
  revision: 1,
  ...more,
});

/** A deal that E001 has asked for, to give E002 what it has to spare, with the marks given. */
export const aDischarge = (more: Partial<Deal> = {}): Deal =>
  aDeal('d1', {
    type: 'discharge',
    chargeUnitId: 'E002',
    dischargeUnitId: 'E001',
    createDateTime: '2020/05/01-09:00:01',
    ...more,
  });
