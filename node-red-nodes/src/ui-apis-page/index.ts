import { join } from 'node:path';
import type { Node, NodeAPI } from 'node-red';
import { actionAnswers } from '../lib/action-answers.ts';
import type { Archive } from '../lib/archive.ts';
import { type Attached, attachToUnit } from '../lib/attach.ts';
import { connectionOf } from '../lib/connection-of.ts';
import { type DashboardDef, everyTurn, groupOf, type PageSocket } from '../lib/dashboard-node.ts';
import { openDealsOf } from '../lib/deals.ts';
import { watchEmulation } from '../lib/emulation-watch.ts';
import { communitySeconds } from '../lib/house-history.ts';
import { newsOf } from '../lib/news-of.ts';
import {
  type EmulationNews,
  type GridNews,
  type HistoryMessage,
  PAGES,
  PARTS_OF,
  type PageMessage,
  type PageName,
  type PageParts,
} from '../lib/page-message.ts';
import { RefusalBook } from '../lib/refusal-book.ts';
import { registerNode } from '../lib/register.ts';
import type { HistoryRequest } from '../lib/widget-message.ts';

interface PageDef extends DashboardDef {
  readonly shows?: string;
}

const PERIOD_MSEC = 400;
/** After this long a page gets all parts again, whatever it may have missed. */
const WHOLE_EVERY = 25;

const pageOf = (name: string | undefined): PageName => PAGES.find((page) => page === name) ?? 'deals';

/** Where the past of the pages is kept: with the gateway's data when it is on this machine. */
const historyRoot = (userDir: string | undefined): string => join(process.env.APIS_DATA || (userDir ?? '.'), 'history');

const isHistoryRequest = (value: unknown): value is HistoryRequest =>
  typeof value === 'object' &&
  value !== null &&
  'kind' in value &&
  value.kind === 'history' &&
  'unitId' in value &&
  typeof value.unitId === 'string' &&
  'spanSeconds' in value &&
  Number.isFinite(value.spanSeconds);

/** Listens to what is no state: who refused whom, and when the grid master spoke. */
function ears({ client }: Attached) {
  const refusals = new RefusalBook();
  let gridHeardAt = 0;
  const stop = client.on('message', (message) => {
    refusals.hear(message);
    if (message.channel === 'grid') gridHeardAt = performance.now();
  });
  const grid = (): GridNews | null => {
    const { grid: state } = client.state();
    return state === undefined ? null : { state, heardAgoMsec: Math.round(performance.now() - gridHeardAt) };
  };
  return { refusals, grid, stop };
}

/** All parts of pages, each made only when it is asked for. */
function partMakers(
  { client }: Attached,
  archive: Archive,
  { refusals, grid }: ReturnType<typeof ears>,
  emulation: () => EmulationNews | null,
) {
  const makers: { readonly [P in keyof PageParts]: () => PageParts[P] } = {
    units: () => client.state().units,
    openDeals: () => openDealsOf(client.state()),
    finishedDeals: () => archive.finishedDeals(),
    refusals: () => refusals.notes(),
    grid,
    faults: () => client.state().faults,
    hasGlobalErrors: () => client.state().grid?.hasGlobalErrors === true,
    emulation,
  };
  return makers;
}

/** The present of a page as the parts that it shows. */
const partsOf = (page: PageName, makers: ReturnType<typeof partMakers>): Partial<PageParts> =>
  Object.fromEntries(PARTS_OF[page].map((part) => [part, makers[part]()]));

/** Answers to the page that asked, and to no other: each shows a house of its own. */
async function answerHistory(
  node: Node,
  { client }: Attached,
  archive: Archive,
  asked: HistoryRequest,
  to: PageSocket,
) {
  const now = communitySeconds(client.state().units);
  const message: HistoryMessage = { history: await archive.house(asked.unitId, now, asked.spanSeconds) };
  to.emit(`msg-input:${node.id}`, message);
}

/**
 * Dashboard 2 widget: one of the pages about deals, a house, the grid, faults or the emulation. Output: what was
 * pressed and carried out.
 */
export default function register(RED: NodeAPI): void {
  registerNode<PageDef>(RED, 'ui-apis-page', (node, config) => {
    const { unit, shows } = config; // Dashboard takes the configuration over and changes it
    const group = groupOf(RED, node, config);
    if (group === undefined) return;
    const attached = attachToUnit(RED, node, unit, {});
    const actions = actionAnswers(node, () => attached, RED._('ui-apis-page.errors.noUnit'));
    if (attached === undefined)
      return group.register(node, config, { onChange: (_message, value) => actions.act(value) });

    const archive = attached.link.archive(historyRoot(RED.settings.userDir), (message) => node.warn(message));
    const hears = ears(attached);
    node.on('close', hears.stop);
    group.register(node, config, {
      onChange: (_message, value, socket) =>
        isHistoryRequest(value) ? answerHistory(node, attached, archive, value, socket) : actions.act(value),
    });
    const page = pageOf(shows);
    const base = group.getBase();
    const connection = connectionOf(attached.link);
    const emulation = page === 'emulator' ? watchEmulation(node, attached.client) : () => null;
    const makers = partMakers(attached, archive, hears, emulation);
    const changed = newsOf(WHOLE_EVERY);
    everyTurn(node, PERIOD_MSEC, () => {
      archive.note(attached.link.unitId, attached.client.state());
      const parts = partsOf(page, makers);
      const answer = actions.last();
      const whole: PageMessage = { parts, connection: connection(), ...(answer === undefined ? {} : { answer }) };
      base.stores.data.save(base, node, whole);
      base.emit(`msg-input:${node.id}`, { ...whole, parts: changed(parts) }, node);
    });
  });
}
