import t from 'tap';
import { chromiumSkip, launchChromium, STILL, VIEWPORTS } from './support/chromium.ts';
import { nodeTypes } from './support/package-files.ts';
import { FLOW, HOUSES, ShownCommunity } from './support/shown-community.ts';
import { until } from './support/until.ts';

// A browser and a Node-RED: more than the usual half minute on a busy machine.
t.setTimeout(180_000);

const { runtime } = await ShownCommunity.start(t);

t.test('emulated-community.json starts, and every node finds its unit', async (t) => {
  const ours = FLOW.filter((node) => nodeTypes.includes(node.type) && node.type !== 'apis-unit');
  const fills = (): (string | undefined)[] => ours.map(({ id }) => runtime.statuses.get(id)?.fill);
  await until(() => fills().every((fill) => fill === 'green'), 'all green');
  // A connection is green before the first word of its unit has come.
  const texts = { 'flow.E002.dcdc': 'REFERENCE -3.0 A', 'flow.master.node': 'E002 run' };
  const isTold = ([id, text]: readonly [string, string]): boolean => runtime.statuses.get(id)?.text === text;
  await until(() => Object.entries(texts).every(isTold), 'what their units say');
  t.pass(Object.values(texts).join(', '));
});

t.test('errors reach the user in words, not as keys', async (t) => {
  const flow = FLOW.concat([
    { id: 'catcher', type: 'catch', z: 'flow.houses', scope: null, wires: [['seen']] },
    {
      id: 'seen',
      type: 'debug',
      z: 'flow.houses',
      active: true,
      tostatus: true,
      tosidebar: false,
      statusVal: 'error.message',
      statusType: 'msg',
      wires: [],
    },
  ]);
  await runtime.deploy(flow);
  runtime.node('flow.E001.battery').receive({ payload: { rsoc: 1 } });
  await until(() => Boolean(runtime.statuses.get('seen')?.text), 'the error');
  t.match(runtime.statuses.get('seen')?.text, /built|driver|gateway/i);
  await runtime.deploy(FLOW);
});

t.test('what browsers ask of Node-RED', async (t) => {
  const get = async (path: string): Promise<Response> => fetch(`${runtime.url}${path}`);
  const units = (await (await get('/apis-edge/units')).json()) as { unitId: string }[];
  t.same(
    units.map(({ unitId }) => unitId),
    HOUSES,
  );
  t.equal((await get('/dashboard/community')).status, 200);
  const widget = '/resources/@apis-edge/node-red-dashboard-2-apis/ui-apis-community.umd.js';
  t.equal((await get(widget)).status, 200, 'the widget is served');
  const nodes = (await (await fetch(`${runtime.url}/nodes`, { headers: { accept: 'application/json' } })).json()) as {
    types: string[];
    enabled: boolean;
    err?: unknown;
  }[];
  const loaded = nodes.filter(({ enabled, err }) => enabled && err === undefined).flatMap(({ types }) => types);
  for (const type of nodeTypes) t.ok(loaded.includes(type), `${type} is in the palette`);
  const editorIn = async (language: string): Promise<string> =>
    (await fetch(`${runtime.url}/nodes`, { headers: { accept: 'text/html', 'accept-language': language } })).text();
  const [english, japanese] = [await editorIn('en-US'), await editorIn('ja')];
  t.match(english, 'Battery of an emulated house');
  t.match(japanese, '模擬の家の蓄電池', 'an editor in Japanese has its help');
  t.notMatch(japanese, 'Battery of an emulated house');
  t.match(await (await get('/nodes/messages?lng=ja')).text(), 'このフローがコンバーターを制御する', 'and its texts');
});

t.test(
  'a battery is dragged from the palette, its unit chosen, deployed, and its status turns green',
  chromiumSkip,
  async (t) => {
    const browser = await launchChromium();
    t.teardown(() => browser.close());
    const page = await browser.newPage({ viewport: VIEWPORTS.desktop, ...STILL });
    await page.goto(runtime.url);
    const palette = page.locator('.red-ui-palette-node[data-palette-type="apis-battery"]');
    await page.locator('#red-ui-palette-search input').fill('battery');
    await palette.waitFor();
    const before = await page.evaluate('RED.nodes.filterNodes({type: "apis-battery"}).length');
    await palette.hover(); // waits until the palette has come to rest
    await page.mouse.down();
    await page.mouse.move(500, 300, { steps: 12 });
    await page.mouse.move(520, 420, { steps: 4 });
    await page.mouse.up();
    t.equal(await page.evaluate('RED.nodes.filterNodes({type: "apis-battery"}).length'), Number(before) + 1);

    await page.evaluate('RED.editor.edit(RED.nodes.filterNodes({type: "apis-battery"}).at(-1))');
    await page.locator('#node-input-btn-unit-add').click();
    await page.locator('#node-config-input-unitId').waitFor();
    await page.locator('#apis-unit-known option').first().waitFor({ state: 'attached' });
    const known = await page
      .locator('#apis-unit-known option')
      .evaluateAll((all) => all.map((one) => one.getAttribute('value')));
    t.same(known, HOUSES, 'the units that are there are offered');
    await page.locator('#node-config-input-unitId').fill('E003');
    await page.locator('#node-config-dialog-ok').click();
    await page.locator('#node-dialog-ok').click();
    await page.locator('#red-ui-header-button-deploy').click();
    const id = String(await page.evaluate('RED.nodes.filterNodes({type: "apis-battery"}).at(-1).id'));
    await until(() => runtime.statuses.get(id)?.text === 'E003 54 %', 'its status tells the charge');
    t.equal(runtime.statuses.get(id)?.fill, 'green');
    await page.locator(`#red-ui-workspace-chart`).getByText('E003 54 %').first().waitFor();
    await runtime.deploy(FLOW);
  },
);

t.test('the editor knows the nodes and opens their dialogs', chromiumSkip, async (t) => {
  const browser = await launchChromium();
  t.teardown(() => browser.close());
  const page = await browser.newPage(STILL);
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  await runtime.deploy(
    FLOW.concat([
      { id: 'cfg.grid', type: 'apis-fake-grid', name: '', source: 'hosted', houses: 'E011:92, E012', port: '' },
      { id: 'fake', type: 'apis-fake-battery', z: 'flow.houses', grid: 'cfg.grid', house: 'E011', wires: [[]] },
    ]),
  );
  await page.goto(runtime.url);
  const open = async (id: string, field: string): Promise<void> => {
    await page.waitForFunction(`window.RED?.nodes?.node(${JSON.stringify(id)})`);
    await page.locator('#red-ui-loading-progress').waitFor({ state: 'hidden' }); // it knows its nodes before it is complete
    await page.evaluate(`RED.editor.edit(RED.nodes.node(${JSON.stringify(id)}))`);
    await page.locator(field).waitFor({ state: 'attached' });
  };
  const close = async (field: string): Promise<void> => {
    await page.locator('#node-dialog-ok').click();
    await page.locator(field).waitFor({ state: 'detached' });
  };
  for (const id of ['flow.E001.deals', 'flow.community.page']) {
    await open(id, '#node-input-unit');
    await close('#node-input-unit');
  }
  await open('fake', '#node-input-house');
  const offered = page.locator('#apis-houses option');
  t.same(await offered.evaluateAll((all) => all.map((one) => one.getAttribute('value'))), ['E011', 'E012']);
  await close('#node-input-house');
  await runtime.deploy(FLOW);
  t.same(problems, []);
});
