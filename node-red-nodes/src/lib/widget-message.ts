import type { OperationMode } from '@apis-edge/gateway/domain';
import type { CommunityState } from './community.ts';

export interface WidgetConnection {
  readonly state: string;
  readonly unitId: string;
  /** How many times faster than ours the community's time runs, when its daemon says so. */
  readonly speed?: number;
}

/** What became of the last button press. */
export interface ActionAnswer {
  readonly id: number;
  readonly ok: boolean;
  readonly text: string;
}

/** Node → page. */
export interface CommunityMessage {
  readonly payload: CommunityState;
  readonly connection: WidgetConnection;
  readonly answer?: ActionAnswer;
}

/** Page → node: what was pressed. */
export type ActionRequest =
  | { readonly kind: 'mode'; readonly value: OperationMode }
  | { readonly kind: 'emergency-stop'; readonly reason: string };
