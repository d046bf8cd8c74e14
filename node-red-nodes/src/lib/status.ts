import type { ConverterMode } from '@apis-edge/gateway/domain';
import type { NodeStatus } from 'node-red';
import type { LinkState } from './unit-link.ts';

type Look = Required<Pick<NodeStatus, 'fill' | 'shape'>>;

/** Colours as the conventions have them: green dot well, yellow ring waiting, red ring lost, red dot wrong. */
const LOOKS: Readonly<Record<LinkState | 'noUnit', Look>> = {
  connecting: { fill: 'yellow', shape: 'ring' },
  connected: { fill: 'green', shape: 'dot' },
  disconnected: { fill: 'red', shape: 'ring' },
  noGateway: { fill: 'red', shape: 'ring' },
  unknownUnit: { fill: 'red', shape: 'dot' },
  wrongUnit: { fill: 'red', shape: 'dot' },
  noUnit: { fill: 'red', shape: 'dot' },
};

/** Status of a node by the state of its link; the text is a key of the node's own catalogue. */
export const linkStatus = (type: string, state: LinkState | 'noUnit'): NodeStatus => ({
  ...LOOKS[state],
  text: `${type}.status.${state}`,
});

/** A converter's mode in the few letters that a status has. */
export const shortMode = (mode: ConverterMode | undefined): string =>
  mode === 'VOLTAGE_REFERENCE' ? 'REFERENCE' : (mode ?? '?');

/** Text that says a value rather than a state, cut to what the editor shows. */
export const valueStatus = (text: string, isOld = false): NodeStatus =>
  isOld
    ? { fill: 'yellow', shape: 'ring', text: text.slice(0, 32) }
    : { fill: 'green', shape: 'dot', text: text.slice(0, 32) };
