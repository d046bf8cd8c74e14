import type { ConverterMode, ModeLabel } from '@apis-edge/gateway/domain';

/** How the newest data of a house is to be read. */
export type Presence = 'live' | 'stale' | 'offline';

export interface HouseView {
  readonly unitId: string;
  readonly name: string;
  readonly presence: Presence;
  readonly rsocPercent?: number;
  readonly remainingWh?: number;
  readonly solarW?: number;
  readonly loadW?: number;
  readonly importW?: number;
  readonly mode?: ConverterMode;
  /** Text of the converter's mode; codes outside our four are shown as the device names them. */
  readonly modeText: string;
  /** + into the battery. */
  readonly gridCurrentA?: number;
  readonly gridVoltageV?: number;
  readonly isVoltageReference: boolean;
  readonly isGridMaster: boolean;
  readonly ownMode?: ModeLabel;
}

export interface DealView {
  readonly dealId: string;
  readonly from: string;
  readonly to: string;
  readonly currentA: number;
  readonly doneWh: number;
  readonly amountWh: number;
  /** 0 … 1 */
  readonly progress: number;
  readonly phase: DealPhase;
  readonly isFlowing: boolean;
  readonly isMaster: boolean;
  /** In the community's own time, which an emulation may run faster than ours. */
  readonly remainingSeconds?: number;
}
export type DealPhase = 'Preparing' | 'Exchanging' | 'Stopping';

export interface CommunityView {
  readonly houses: readonly HouseView[];
  readonly deals: readonly DealView[];
  readonly globalMode?: ModeLabel;
  readonly busVoltageV?: number;
  readonly isBusOn: boolean;
  /** `yyyy/MM/dd-HH:mm:ss` of the youngest reading. */
  readonly clock?: string;
  readonly hasGlobalErrors: boolean;
  readonly totals: {
    readonly solarW: number;
    readonly loadW: number;
    readonly importW: number;
    readonly tradedW: number;
  };
}
