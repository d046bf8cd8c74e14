import './quiet-mdns.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Flow } from './package-files.ts';
import { PACKAGE_DIR } from './package-files.ts';

/** The parts of an embedded Node-RED that tests use; the package has no types for them. */
interface EmbeddedRed {
  init(server: unknown, settings: object): void;
  start(): Promise<void>;
  stop(): Promise<void>;
  readonly httpAdmin: unknown;
  readonly httpNode: unknown;
  readonly events: {
    on(event: string, handle: (value: never) => void): void;
    off(event: string, handle: (value: never) => void): void;
    once(event: string, handle: () => void): void;
  };
  readonly nodes: { getNode(id: string): unknown; getFlows(): unknown };
  readonly runtime: { readonly flows: { setFlows(options: object): Promise<unknown> } };
}

export interface Runtime {
  readonly red: EmbeddedRed;
  readonly url: string;
  /** Last status of each node that has shown one, as the editor gets it. */
  readonly statuses: ReadonlyMap<string, { readonly fill?: string; readonly text?: string }>;
  /** Resolves once the flow runs, or waits for node types that are not there. */
  deploy(flow: Flow, type?: 'full' | 'flows' | 'nodes'): Promise<void>;
  node(id: string): { receive(message: object): void };
  stop(): Promise<void>;
}

type AnyHandler = (request: unknown, response: unknown) => void;

const require = createRequire(import.meta.url);

const settingsFor = (userDir: string): object => ({
  userDir,
  nodesDir: [PACKAGE_DIR],
  flowFile: 'flows.json',
  httpAdminRoot: '/',
  httpNodeRoot: '/',
  uiHost: '127.0.0.1',
  credentialSecret: 'test',
  telemetry: { enabled: false, updateNotification: false },
  editorTheme: { tours: false },
  externalModules: { autoInstall: false, palette: { allowInstall: false }, modules: { allowInstall: false } },
  logging: { console: { level: 'fatal', metrics: false, audit: false } },
});

/** Node-RED with this package and the dashboard in this process, running `flow`. Only one per process. */
export async function startRuntime(flow: Flow): Promise<Runtime> {
  const red = require('node-red') as EmbeddedRed;
  const express = require('express') as () => AnyHandler & { use(path: string, handler: unknown): void };
  const userDir = await mkdtemp(join(tmpdir(), 'apis-red-'));
  const app = express();
  const server = createServer(app);
  red.init(server, settingsFor(userDir));
  app.use('/', red.httpAdmin);
  app.use('/', red.httpNode);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const statuses = new Map<string, object>();
  red.events.on('node-status', ({ id, status }: { id: string; status: object }) => void statuses.set(id, status));
  const started = new Promise<void>((resolve) => red.events.once('flows:started', () => resolve()));
  await red.start();
  await started;
  const deploy: Runtime['deploy'] = async (next, deploymentType = 'full') => {
    const restarted = new Promise<void>((resolve) => {
      const done = (): void => {
        red.events.off('flows:started', done);
        red.events.off('runtime-event', refused);
        resolve();
      };
      const refused = ({ payload }: { payload?: { error?: string } }): void => {
        if (payload?.error === 'missing-types') done();
      };
      red.events.on('flows:started', done);
      red.events.on('runtime-event', refused);
    });
    await red.runtime.flows.setFlows({ flows: { flows: next }, deploymentType });
    await restarted;
  };
  await deploy(flow);
  const node: Runtime['node'] = (id) => red.nodes.getNode(id) as ReturnType<Runtime['node']>; // ids of the flow under test
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const stop = async (): Promise<void> => {
    await red.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(userDir, { recursive: true, force: true });
  };
  return { red, url: `http://127.0.0.1:${port}`, statuses, deploy, node, stop };
}
