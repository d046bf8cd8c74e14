import type { OperatorBody } from '@apis-edge/gateway/domain';
import type { Node } from 'node-red';
import type { Attached } from './attach.ts';
import type { ActionAnswer } from './widget-message.ts';

export interface ActionAnswers {
  act(request: unknown): Promise<void>;
  last(): ActionAnswer | undefined;
}

/** Carries out what was pressed on a page, and tells how it ended. The core decides; nothing is checked twice. */
export function actionAnswers(node: Node, attached: () => Attached | undefined, noUnit: string): ActionAnswers {
  let count = 0;
  let last: ActionAnswer | undefined;
  const act = async (request: unknown): Promise<void> => {
    const id = ++count;
    const message = { topic: 'action', payload: request };
    try {
      const unit = attached();
      if (unit === undefined) throw new Error(noUnit);
      await unit.client.send(request as OperatorBody); // refuses what is none, with a clear message
      last = { id, ok: true, text: '', request };
      node.send(message);
    } catch (error) {
      last = { id, ok: false, text: error instanceof Error ? error.message : String(error), request };
      node.error(last.text, message);
    }
  };
  return { act, last: () => last };
}
