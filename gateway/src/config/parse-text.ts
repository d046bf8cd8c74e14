import { createScanner, type Node, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';
import { type JsonArray, type JsonNode, type JsonObject, type JsonScalar, joinPath } from './json-tree.ts';
import type { Report } from './report.ts';

/** Far above any real file; keeps a wrong file (a log, a disk image) from filling the memory of a small gateway. */
const LARGEST_TEXT = 4 * 1024 * 1024;
/** The parser recurses; a file of brackets only must not exhaust the stack (INV-11). */
const DEEPEST_NESTING = 64;
const MOST_SYNTAX_PROBLEMS = 10;

type LineOf = (offset: number) => number;

/**
 * Parses JSON with comments. Repeated keys: the last value wins, with a warning; the keys "#" and "" are comments
 * and vanish (market §0). Gives undefined after reporting syntax problems.
 */
export function parseText(fileText: string, report: Report): JsonNode | undefined {
  const text = fileText.replace(/^\uFEFF/, ' '); // a byte order mark, as some editors leave it
  const lineOf = lineFinder(text);
  if (text.length > LARGEST_TEXT)
    return fail(report, 1, `expected at most ${LARGEST_TEXT} characters, got ${text.length}`);
  const tooDeep = findTooDeep(text);
  if (tooDeep !== undefined)
    return fail(report, lineOf(tooDeep), `expected at most ${DEEPEST_NESTING} levels of nesting`);
  const errors: ParseError[] = [];
  const root = parseTree(text, errors);
  for (const error of errors.slice(0, MOST_SYNTAX_PROBLEMS)) {
    fail(report, lineOf(error.offset), `not valid JSON: ${syntaxText(error, text)}`);
  }
  if (errors.length > 0) return undefined;
  if (root === undefined) return fail(report, 1, 'expected JSON, got an empty file');
  return convert(root, '', { lineOf, report });
}

function fail(report: Report, line: number, message: string): undefined {
  report.problem({ line, path: '', message });
  return undefined;
}

/** From offset to line, by bisection over the line starts. */
function lineFinder(text: string): LineOf {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  };
}

/** Token kinds of the scanner: opening and closing brackets move the depth, 17 is the end of the text. */
const DEPTH_CHANGE = new Map<number, number>([
  [1, 1],
  [2, -1],
  [3, 1],
  [4, -1],
]);
const END_OF_TEXT = 17;

function findTooDeep(text: string): number | undefined {
  const scanner = createScanner(text, true);
  let depth = 0;
  for (let token = scanner.scan(); token !== END_OF_TEXT; token = scanner.scan()) {
    depth += DEPTH_CHANGE.get(token) ?? 0;
    if (depth > DEEPEST_NESTING) return scanner.getTokenOffset();
  }
  return undefined;
}

/** `comma expected at "nex…"` from the library's code CommaExpected. */
function syntaxText({ error, offset }: ParseError, text: string): string {
  const words = printParseErrorCode(error)
    .replace(/([A-Z])/g, ' $1')
    .trim()
    .toLowerCase();
  const rest = text.slice(offset).split('\n', 1)[0]?.trim().slice(0, 20) ?? '';
  return rest === '' ? `${words} at the end of the line` : `${words} at ${JSON.stringify(rest)}`;
}

interface Conversion {
  readonly lineOf: LineOf;
  readonly report: Report;
}

function convert(node: Node, path: string, context: Conversion): JsonNode {
  if (node.type === 'object') return convertObject(node, path, context);
  if (node.type === 'array') return convertArray(node, path, context);
  const scalar: JsonScalar = { kind: 'scalar', line: context.lineOf(node.offset), value: node.value };
  return scalar;
}

const convertArray = (node: Node, path: string, context: Conversion): JsonArray => ({
  kind: 'array',
  line: context.lineOf(node.offset),
  items: (node.children ?? []).map((child, index) => convert(child, `${path}[${index}]`, context)),
});

function convertObject(node: Node, path: string, context: Conversion): JsonObject {
  const members = new Map<string, JsonNode>();
  for (const property of node.children ?? []) {
    const [key, value] = property.children ?? [];
    if (key === undefined || value === undefined || isComment(key.value)) continue;
    const name: string = key.value;
    const childPath = joinPath(path, name);
    if (members.has(name)) {
      context.report.warn({
        line: context.lineOf(key.offset),
        path: childPath,
        message: 'repeated key, the last value counts',
      });
    }
    members.set(name, convert(value, childPath, context));
  }
  return { kind: 'object', line: context.lineOf(node.offset), members };
}

const isComment = (key: unknown): boolean => key === '#' || key === '';
