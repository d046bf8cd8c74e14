import { type Deal, isActivated, isDeactivated, isRampedUp, isStarted, isStopped, isWarmedUp } from '../domain/deal.ts';

/** Where a deal stands; derived from the marks of its record (control.md §4.1), never stored. */
export const DEAL_STATES = [
  'created',
  'activated',
  'rampedUp',
  'warmedUp',
  'started',
  'stopped',
  'deactivated',
] as const;
export type DealState = (typeof DEAL_STATES)[number];

/** The marks, latest first: the first one that is set names the state. */
const MARKS: readonly (readonly [(deal: Deal) => boolean, DealState])[] = [
  [isDeactivated, 'deactivated'],
  [isStopped, 'stopped'],
  [isStarted, 'started'],
  [isWarmedUp, 'warmedUp'],
  [isRampedUp, 'rampedUp'],
  [isActivated, 'activated'],
];

export const stateOf = (deal: Deal): DealState => MARKS.find(([isSet]) => isSet(deal))?.[1] ?? 'created';

/** What can be true of a deal at a moment; `always` is the last row of every state. */
export const EVENTS = [
  'stop-requested',
  'mode-forbids',
  'party-lost',
  'reference-lost',
  'party-silent',
  'start-overdue',
  'reset-limit-reached',
  'admission-refused',
  'bus-quiet',
  'bus-carrying',
  'voltage-too-high',
  'voltage-reached',
  'ramp-up-overdue',
  'amount-reached',
  'charge-limit-reached',
  'duration-overdue',
  'abort-recorded',
  'reference-not-mine',
  'successor-running',
  'linger-over',
  'always',
] as const;
export type DealEventName = (typeof EVENTS)[number];
/** Events that have to be asked for. */
export type GuardedEvent = Exclude<DealEventName, 'always'>;

export type DealAction =
  | 'abort'
  | 'energise'
  | 'join'
  | 'watchRampUp'
  | 'noteRampUp'
  | 'failRampUp'
  | 'authorise'
  | 'warmUp'
  | 'compensate'
  | 'cumulate'
  | 'halt'
  | 'linger'
  | 'deactivate'
  | 'dispose'
  | 'wait';

export interface DealRow {
  readonly from: DealState;
  readonly when: DealEventName;
  readonly action: DealAction;
  /** Where the action leads when it succeeds. */
  readonly to: DealState | 'disposed';
  /** Where it leads otherwise, when that is not the common end (abort, thus `deactivated`). */
  readonly orElse?: DealState;
}

const row = (
  from: DealState,
  when: DealEventName,
  action: DealAction,
  to: DealRow['to'],
  orElse?: DealState,
): DealRow => ({ from, when, action, to, ...(orElse === undefined ? {} : { orElse }) });

/** What ends a deal on its way up or while it runs, whatever else is true. */
const aborting = (from: DealState, ...more: readonly DealEventName[]): readonly DealRow[] =>
  (['stop-requested', 'mode-forbids', 'party-lost', 'reference-lost', ...more] as const).map((when) =>
    row(from, when, 'abort', 'deactivated'),
  );

/**
 * The life of a deal. The first row of the present state whose event holds is carried out; every state ends with
 * `always`, so there is exactly one row for each moment.
 */
export const DEAL_TABLE: readonly DealRow[] = [
  row('created', 'stop-requested', 'abort', 'deactivated'),
  row('created', 'mode-forbids', 'abort', 'deactivated'),
  row('created', 'reset-limit-reached', 'abort', 'deactivated'),
  row('created', 'start-overdue', 'abort', 'deactivated'),
  row('created', 'admission-refused', 'wait', 'created'),
  row('created', 'bus-quiet', 'energise', 'activated', 'created'),
  row('created', 'bus-carrying', 'join', 'warmedUp', 'created'),
  row('created', 'always', 'wait', 'created'),

  ...aborting('activated', 'voltage-too-high'),
  row('activated', 'bus-carrying', 'warmUp', 'warmedUp'),
  row('activated', 'voltage-reached', 'noteRampUp', 'rampedUp'),
  row('activated', 'ramp-up-overdue', 'failRampUp', 'deactivated'),
  row('activated', 'always', 'watchRampUp', 'activated'),

  ...aborting('rampedUp'),
  row('rampedUp', 'always', 'authorise', 'warmedUp', 'created'),

  ...aborting('warmedUp'),
  row('warmedUp', 'always', 'compensate', 'started'),

  ...aborting('started'),
  row('started', 'amount-reached', 'halt', 'stopped'),
  ...(['charge-limit-reached', 'duration-overdue'] as const).map((when) =>
    row('started', when, 'abort', 'deactivated'),
  ),
  row('started', 'party-silent', 'wait', 'started'),
  row('started', 'always', 'cumulate', 'started'),

  ...(
    [
      'stop-requested',
      'mode-forbids',
      'party-lost',
      'reference-lost',
      'abort-recorded',
      'reference-not-mine',
      'successor-running',
      'linger-over',
    ] as const
  ).map((when) => row('stopped', when, 'deactivate', 'deactivated')),
  row('stopped', 'always', 'linger', 'stopped'),

  row('deactivated', 'always', 'dispose', 'disposed'),
];

const ROWS_BY_STATE = Map.groupBy(DEAL_TABLE, ({ from }) => from);

/** The row that applies to a deal in a state; `holds` says which events are true. */
export function rowFor(state: DealState, holds: (event: GuardedEvent) => boolean): DealRow {
  const first = ROWS_BY_STATE.get(state)?.find((one) => one.when === 'always' || holds(one.when));
  return first as DealRow; // every state ends with `always`
}

/** The table as a Mermaid state diagram, for people: deal-table.md shows it. */
export function describe(): string {
  const arrows = DEAL_TABLE.flatMap((one) => [
    `  ${one.from} --> ${one.to} : ${one.when} / ${one.action}`,
    ...(one.orElse === undefined ? [] : [`  ${one.from} --> ${one.orElse} : ${one.when} / ${one.action}, failed`]),
  ]);
  return ['stateDiagram-v2', '  [*] --> created', ...arrows, '  disposed --> [*]'].join('\n');
}
