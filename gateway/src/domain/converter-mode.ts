/** The modes of a bidirectional DC/DC converter that the system uses (control.md §1.5). */
export type ConverterMode = 'WAIT' | 'VOLTAGE_REFERENCE' | 'CHARGE' | 'DISCHARGE';

interface ModeRow {
  /** `dcdc.status.status` */
  readonly code: string;
  /** `dcdc.status.operationMode`, must agree with the code (check L4). */
  readonly operationMode: string;
  readonly runningState: 'off' | 'charge' | 'discharge';
}

export const CONVERTER_MODES: Readonly<Record<ConverterMode, ModeRow>> = {
  WAIT: { code: '0x0000', operationMode: 'Waiting', runningState: 'off' },
  VOLTAGE_REFERENCE: { code: '0x0014', operationMode: 'Grid Autonomy', runningState: 'discharge' },
  CHARGE: { code: '0x0041', operationMode: 'Heteronomy CV', runningState: 'charge' },
  DISCHARGE: { code: '0x0002', operationMode: 'Heteronomy CV', runningState: 'discharge' },
};

const byCode = new Map(
  Object.entries(CONVERTER_MODES).map(([mode, row]) => [row.code, mode as ConverterMode]), // keys of the table above
);

/** Mode of a status code; undefined for the further codes that real converters report. */
export const modeOfCode = (code: string | undefined): ConverterMode | undefined =>
  code === undefined ? undefined : byCode.get(code);

/** Sign of the grid current that a constant-current mode commands: + charging, − discharging, 0 otherwise. */
export const CURRENT_SIGN: Readonly<Record<ConverterMode, -1 | 0 | 1>> = {
  WAIT: 0,
  VOLTAGE_REFERENCE: 0,
  CHARGE: 1,
  DISCHARGE: -1,
};
