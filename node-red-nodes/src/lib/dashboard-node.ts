import type { Node, NodeAPI } from 'node-red';
import type { UnitNodeDef } from './attach.ts';
import { linkStatus } from './status.ts';

export interface DashboardDef extends UnitNodeDef {
  readonly group: string;
}

/** The parts of Dashboard 2's nodes that are used; it publishes no types. */
export interface DashboardBase {
  emit(event: string, message: unknown, node: Node): void;
  readonly stores: { readonly data: { save(base: DashboardBase, node: Node, message: unknown): void } };
}

/** One open page. */
export interface PageSocket {
  emit(event: string, message: unknown): void;
}

/** What a page sends as `widget-change`: Dashboard hands over its stored message, what was sent, and by whom. */
export type OnChange = (message: unknown, value: unknown, socket: PageSocket) => Promise<void>;

export interface DashboardGroup extends Node {
  register(node: Node, config: DashboardDef, handlers: { readonly onChange: OnChange }): void;
  getBase(): DashboardBase;
}

/** The group that a widget is shown in; undefined when none is chosen, and the status says so. */
export function groupOf(RED: NodeAPI, node: Node, config: DashboardDef): DashboardGroup | undefined {
  const group = RED.nodes.getNode(config.group) as DashboardGroup | null; // the editor lets only ui-group be chosen
  if (group !== null) return group;
  node.status({ ...linkStatus(node.type, 'noUnit'), text: `${node.type}.status.noGroup` });
  return undefined;
}

/** Calls `look` in equal steps until the node closes; a timer that throws would end Node-RED. */
export function everyTurn(node: Node, periodMsec: number, look: () => void): void {
  const timer = setInterval(() => {
    try {
      look();
    } catch (error) {
      node.error(String(error));
    }
  }, periodMsec);
  node.on('close', () => clearInterval(timer));
}
