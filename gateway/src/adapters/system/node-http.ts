/**
 * Node's HTTP for a process that stays small. `import … from 'node:http'` reads every export, and one of them, `WebSocket`,
 * loads a second HTTP client and HTTP/2 by being read: 4 MB, and time at each start, that nobody uses.
 */
export const { createServer, get } = process.getBuiltinModule('node:http');
