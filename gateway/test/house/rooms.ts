/** Who may import whom: the table of the architecture, as data. Rooms are the folders of `gateway/src`. */
export interface Room {
  /** Other rooms that may be imported; a room may always import itself. */
  readonly rooms: readonly string[];
  /** Packages that may be imported; `'any'` also allows Node's own modules. */
  readonly packages: readonly string[] | 'any';
}

const coreOf = (...packages: string[]): Room => ({ rooms: ['domain', 'config', 'ports'], packages });

export const ROOMS: Readonly<Record<string, Room>> = {
  domain: { rooms: [], packages: [] },
  config: { rooms: ['domain'], packages: ['jsonc-parser', 'valibot'] },
  market: coreOf(),
  'grid-master': coreOf(),
  controller: coreOf(),
  cluster: coreOf('valibot'),
  ports: { rooms: ['domain'], packages: [] },
  unit: {
    rooms: ['domain', 'config', 'market', 'grid-master', 'controller', 'cluster', 'ports'],
    packages: 'any',
  },
  emulation: { rooms: ['domain', 'config', 'ports', 'market', 'unit'], packages: 'any' },
  adapters: { rooms: ['domain', 'config', 'ports'], packages: 'any' },
  client: { rooms: ['domain', 'config', 'ports', 'adapters'], packages: 'any' },
  // An emulated network is served by whoever hosts it, on the clock and from the files of its machine.
  api: { rooms: ['domain', 'ports', 'unit', 'emulation', 'adapters'], packages: 'any' },
  cli: {
    rooms: [
      'domain',
      'config',
      'market',
      'grid-master',
      'controller',
      'cluster',
      'ports',
      'unit',
      'emulation',
      'adapters',
      'client',
      'api',
    ],
    packages: 'any',
  },
};

/** The core runs unchanged on a virtual clock, so it reaches the outside only through `ports`. */
export const CORE = ['domain', 'config', 'market', 'grid-master', 'controller', 'cluster'];

/** What reaches around the ports: timers, the wall clock, chance, the process, the network. */
export const IMPURE: Readonly<Record<string, RegExp>> = {
  'a timer': /(?<![.\w$])(?:setTimeout|setInterval|setImmediate)\s*\(/,
  'the wall clock': /\bDate\.now\b|\bnew Date(?!\s*\(\s*[^\s)])|(?<![.\w$]|new )Date\s*\(|(?<![.\w$])performance\s*\./,
  chance: /\bMath\.random\b|(?<![.\w$])crypto\s*\./,
  'the process': /(?<![.\w$])process\s*\./,
  'the console': /(?<![.\w$])console\s*\./,
  'the network': /(?<![.\w$])(?:fetch\s*\(|new WebSocket\b)/,
  'the global object': /(?<![.\w$])globalThis\b/,
};

/** Node-RED nodes talk to the daemon as any client does, know its vocabulary, and may host emulated houses; nothing more. */
export const NODE_RED_PACKAGES = [
  '@apis-edge/gateway/client',
  '@apis-edge/gateway/domain',
  '@apis-edge/gateway/emulation',
  'node-red',
  'vue',
];

/** The past that pages show is kept in files; what runs in the browser has none. */
export const NODE_RED_FILES = ['node:fs/promises', 'node:path'];
export const NODE_RED_BROWSER = 'node-red-nodes/src/widgets/';
