import { readParsed } from '../config/load-unit.ts';
import { PeerError } from '../domain/errors.ts';
import { MODE_LABELS, type ModeLabel } from '../domain/operation-mode.ts';
import { ATTACH_OPTIONS, lastFinishedDeals, readCommunity, withEveryUnit, withUnit } from './attach.ts';
import { command, type Io } from './command.ts';
import { dealsText, faultsText, statusText } from './community-tables.ts';
import { fileReader } from './file-reader.ts';
import { suggestion } from './nearest.ts';
import { flag, UsageError } from './option.ts';

const OPTIONS = { ...ATTACH_OPTIONS, json: flag('print one JSON object') } as const;

/** The result as an object, or as text for people. */
function answer(io: Io, json: boolean, result: object, text: string): 0 {
  io.out(`${json ? JSON.stringify(result) : text}\n`);
  return 0;
}

export const status = command({
  summary: 'show units, grid master and bus',
  options: OPTIONS,
  run: async (values, _words, io) => {
    const state = await readCommunity(values);
    return answer(io, values.json, state, statusText(state));
  },
});

export const deals = command({
  summary: 'list open deals and the last finished ones',
  options: OPTIONS,
  run: async (values, _words, io) => {
    const [state, finished] = await Promise.all([readCommunity(values), lastFinishedDeals(values)]);
    const live = new Set(state.deals.map(({ dealId }) => dealId));
    const all = [...finished.filter(({ dealId }) => !live.has(dealId)).reverse(), ...state.deals];
    return answer(io, values.json, { deals: all }, dealsText(all));
  },
});

export const faults = command({
  summary: 'list the last faults, or acknowledge one',
  words: '[ack ID]',
  options: OPTIONS,
  run: async (values, [word, faultId, ...rest], io) => {
    if (word === undefined) {
      const state = await readCommunity(values);
      return answer(io, values.json, { faults: state.faults }, faultsText(state.faults));
    }
    if (word !== 'ack' || faultId === undefined || rest.length > 0) {
      throw new UsageError(
        `expected "ack" and the id of one fault, got "${[word, faultId, ...rest].filter(Boolean).join(' ')}"`,
      );
    }
    // Only the units that know the fault can take note of it, and an id does not tell which those are.
    const results = await withEveryUnit(values, (client) => client.send({ kind: 'fault.acknowledge', faultId }));
    const problem = results.every((result) => result.problem !== undefined) ? results[0]?.problem : undefined;
    if (results.length === 0 || problem !== undefined) {
      throw new PeerError('peer.refused', '?', problem ?? 'the gateway has no units');
    }
    return answer(io, values.json, { acknowledged: faultId }, `Fault ${faultId} is acknowledged.`);
  },
});

const isLabel = (word: string): word is ModeLabel => Object.hasOwn(MODE_LABELS, word);

export const mode = command({
  summary: 'set the mode of the whole cluster',
  words: `<${Object.keys(MODE_LABELS).join('|')}>`,
  options: OPTIONS,
  notes: [
    'run trades, soft-stop lets running deals end, force-stop ends them at once, manual gives the bus to an operator.',
  ],
  run: async (values, [label, ...rest], io) => {
    const labels = Object.keys(MODE_LABELS);
    if (label === undefined) throw new UsageError(`expected one of ${labels.join(', ')}`);
    if (!isLabel(label))
      throw new UsageError(`expected one of ${labels.join(', ')}, got "${label}".${suggestion(label, labels)}`);
    if (rest[0] !== undefined) throw new UsageError(`unexpected "${rest[0]}"`);
    await withUnit(values, (client) => client.send({ kind: 'mode', value: MODE_LABELS[label] }));
    return answer(io, values.json, { mode: label, value: MODE_LABELS[label] }, `The mode is ${label}.`);
  },
});

export const policy = command({
  summary: 'give the whole cluster another policy, for good',
  words: 'FILE',
  options: OPTIONS,
  notes: [
    'Running deals end by the old policy, no other begins meanwhile; then all units work by the new one, or none does.',
    'Member units change only at a restart. What was given here counts before the policy files of the units.',
  ],
  run: async (values, [file, ...rest], io) => {
    if (file === undefined || rest.length > 0) throw new UsageError('expected the file of one policy');
    const { value } = readParsed('policy', file, fileReader);
    await withUnit(values, (client) => client.send({ kind: 'policy', value: { ...value } }));
    return answer(
      io,
      values.json,
      { policy: file, state: 'staged' },
      `${file} is staged: it counts once no deal is open.`,
    );
  },
});

export const emergencyStop = command({
  summary: 'put every converter to WAIT now',
  options: OPTIONS,
  notes: ['Every unit of the gateway is told at once; one that hears it forwards it to the others.'],
  run: async (values, _words, io) => {
    const body = { kind: 'emergency-stop', reason: 'operator at the command line' } as const;
    const results = await withEveryUnit(values, (client) => client.send(body));
    for (const { address, problem } of results) {
      if (problem !== undefined) io.err(`${address.host}:${address.port}: ${problem}\n`);
    }
    const told = results.filter(({ problem }) => problem === undefined).length;
    answer(
      io,
      values.json,
      { told, units: results },
      `Emergency stop: ${told} of ${results.length} units have stopped.`,
    );
    return told === results.length && told > 0 ? 0 : 3;
  },
});
