import type { EmulationBody, LocalMode, OperationMode } from '@apis-edge/gateway/domain';
import type { CommunityState } from './community.ts';

/** What may be said to a unit (architecture.md §3): an observer only looks, a device answers for converter and battery. */
export const ROLES = ['operator', 'observer', 'device'] as const;
export type Role = (typeof ROLES)[number];

export interface WidgetConnection {
  readonly state: string;
  readonly unitId: string;
  readonly role: Role;
  /** How many times faster than ours the community's time runs, when its daemon says so. */
  readonly speed?: number;
}

/** What became of the last button press. */
export interface ActionAnswer {
  readonly id: number;
  readonly ok: boolean;
  readonly text: string;
  /** What was pressed. */
  readonly request?: unknown;
}

/** Node → community page. */
export interface CommunityMessage {
  readonly payload: CommunityState;
  readonly connection: WidgetConnection;
  readonly answer?: ActionAnswer;
}

/** Page → node: what was pressed. */
export type ActionRequest =
  | { readonly kind: 'mode'; readonly value: OperationMode }
  /** The own mode of the house that the page is attached to. */
  | { readonly kind: 'local-mode'; readonly value: LocalMode | null }
  | { readonly kind: 'emergency-stop'; readonly reason: string }
  | { readonly kind: 'deal.stop'; readonly dealId: string; readonly reason: string }
  | { readonly kind: 'fault.acknowledge'; readonly faultId: string }
  | EmulationBody;

/** Page → node: a question about the past, answered to the page that asked. */
export interface HistoryRequest {
  readonly kind: 'history';
  readonly unitId: string;
  readonly spanSeconds: number;
}
