import { createContext, runInContext } from 'node:vm';
import { readText } from './package-files.ts';

/** Definition of a node as its editor file registers it. */
export interface EditorDefinition {
  readonly category: string;
  readonly defaults: Readonly<
    Record<
      string,
      { readonly value?: unknown; readonly type?: string; readonly validate?: (value: unknown) => boolean }
    >
  >;
  readonly inputs?: number;
  readonly outputs?: number;
  readonly icon?: string;
  readonly paletteLabel?: string;
  readonly label: (this: object) => string;
  readonly labelStyle: (this: object) => string;
  readonly inputLabels?: (this: object) => string;
  readonly outputLabels?: (this: object, index: number) => string;
  readonly oneditprepare?: (this: object) => void;
}

export interface EditorFile {
  readonly type: string;
  readonly definition: EditorDefinition;
  readonly template: string;
  readonly help: string;
  readonly html: string;
}

/** What a script did through `$`, as `selector.method(arguments)` lines. */
export type JQueryCalls = string[];

interface EditorWorld {
  readonly configNodes?: Readonly<Record<string, object>>;
  /** What the gateway says of its units, and the network of others. */
  readonly units?: readonly object[];
  /** Contents of fields, by their selectors. */
  readonly fields?: Readonly<Record<string, string>>;
  readonly calls?: JQueryCalls;
}

/** A `$` that answers everything but the content of a field with itself, and writes down what was asked. */
function jQueryStub({ calls = [], units = [], fields = {} }: EditorWorld) {
  const chain = (selector: string): object =>
    new Proxy(
      {},
      {
        get:
          (_target, method) =>
          (...args: unknown[]) => {
            calls.push(`${selector}.${String(method)}(${args.map((arg) => JSON.stringify(arg)).join()})`);
            return method === 'val' && args.length === 0 ? (fields[selector] ?? '') : chain(selector);
          },
      },
    );
  const getJSON = (url: string, then: (units: readonly object[]) => void): void => {
    calls.push(`getJSON(${url})`);
    then(units);
  };
  return Object.assign((selector: string) => chain(selector), { getJSON });
}

const blockOf = (html: string, attribute: string): string =>
  new RegExp(`<script[^>]*${attribute}[^>]*>([\\s\\S]*?)</script>`).exec(html)?.[1]?.trim() ?? '';

/** Runs the registration of a built editor file the way the editor does, without a browser (node-red.md §1a). */
export function loadEditor(type: string, world: EditorWorld = {}): EditorFile {
  const html = readText('dist', 'nodes', `${type}.html`);
  const found: [string, EditorDefinition][] = [];
  const red = {
    nodes: {
      registerType: (name: string, definition: EditorDefinition) => found.push([name, definition]),
      node: (id: string) => world.configNodes?.[id] ?? null,
    },
    validators: { regex: (pattern: RegExp) => (value: string) => pattern.test(value) },
  };
  runInContext(blockOf(html, 'type="text/javascript"'), createContext({ RED: red, $: jQueryStub(world) }));
  const [only, ...others] = found;
  if (only === undefined || others.length > 0) throw new Error(`${type}.html registers ${found.length} types`);
  return {
    type: only[0],
    definition: only[1],
    template: blockOf(html, 'data-template-name'),
    help: blockOf(html, 'data-help-name'),
    html,
  };
}
