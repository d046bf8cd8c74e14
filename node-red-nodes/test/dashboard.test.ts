import type { Page } from 'playwright-core';
import t from 'tap';
import { chromiumSkip, launchChromium, STILL, VIEWPORTS } from './support/chromium.ts';
import { faintTexts } from './support/contrast.ts';
import type { Flow } from './support/package-files.ts';
import { FLOW, HOUSES, ShownCommunity } from './support/shown-community.ts';
import { until } from './support/until.ts';

// Two browsers and a Node-RED: more than the usual half minute on a busy machine.
t.setTimeout(180_000);

const shown = await ShownCommunity.start(t);
const { community, names, runtime } = shown;

/** Whether a page must be scrolled sideways, once it has come to rest after its size was changed. */
const isWide = (page: Page): Promise<boolean> =>
  page
    .waitForFunction(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth, undefined, {
      timeout: 3000,
    })
    .then(
      () => false,
      () => true,
    );

t.test('the community page', chromiumSkip, async (t) => {
  const browser = await launchChromium();
  t.teardown(() => browser.close());
  const problems: string[] = [];

  const page = await browser.newPage({ viewport: VIEWPORTS.desktop, ...STILL });
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(runtime.url)) problems.push(request.url());
  });
  await page.goto(`${runtime.url}/dashboard/community`);
  await page.waitForSelector('[data-testid=house-E004]');
  const textOf = async (page: Page, testId: string): Promise<string> =>
    (await page.getByTestId(testId).allInnerTexts()).join(' ').replace(/\s+/g, ' ').trim();
  const { heard } = community.unit('E001');

  t.test('shows every house, the bus and the deals, with units', async (t) => {
    t.match(await textOf(page, 'house-E001'), /E001 31 % Solar 800 W Load 300 W Grid 57 W Charging \+2\.0 A/);
    t.equal(await textOf(page, 'house-E001-rsoc'), '31 %');
    t.equal(await textOf(page, 'house-E002-current'), '−3.0 A');
    t.equal(await textOf(page, 'converter-mode-E003'), 'Waiting');
    t.equal(await textOf(page, 'bus-voltage'), '350.1 V');
    t.equal(await textOf(page, 'global-mode'), 'Run');
    t.equal(await textOf(page, 'speed'), '60× speed');
    t.match(await textOf(page, 'deal-d1'), /E002 → E001 2\.0 A master deal \d+ min left 264 of 500 Wh 53 %/);
    t.equal(await page.getByTestId('crown-E002').count(), 1, 'the crown is on the voltage reference (INV-1)');
    t.equal(await page.getByTestId('crown-E001').count(), 0);
    t.equal(await page.getByTestId('grid-master-E002').count(), 1);
    t.equal(await isWide(page), false, 'nothing to scroll sideways');
  });

  t.test('energy counts up within a second', async () => {
    shown.dealsRun(300);
    await page.getByText('300 of 500 Wh').first().waitFor({ timeout: 2000 });
  });

  t.test('a mode button acts at once, dangerous ones ask first', async (t) => {
    await page.getByTestId('mode-soft-stop').click();
    await until(() => heard.length === 1, 'soft stop');
    await page.getByTestId('mode-force-stop').click();
    await page.getByTestId('cancel').click();
    await page.getByTestId('emergency-stop').click();
    await page.keyboard.press('Escape');
    await page.getByTestId('confirm').waitFor({ state: 'hidden' });
    t.equal(heard.length, 1, 'asking does nothing yet');
    await page.getByTestId('mode-force-stop').click();
    await page.getByTestId('confirm').click();
    await until(() => heard.length === 2, 'force stop');
    await page.getByTestId('emergency-stop').click();
    await page.getByTestId('confirm').click();
    await until(() => heard.length === 3, 'emergency stop');
    t.match(heard, [
      { kind: 'mode', value: 'heteronomous' },
      { kind: 'mode', value: 'stop' },
      { kind: 'emergency-stop', reason: /community page/ },
    ]);
  });

  t.test('works by keyboard alone', async (t) => {
    await page.getByTestId('mode-run').focus();
    for (const id of ['mode-soft-stop', 'mode-force-stop', 'emergency-stop']) {
      await page.keyboard.press('Tab');
      t.equal(await page.evaluate(() => document.activeElement?.getAttribute('data-testid')), id);
    }
    await page.keyboard.press('Enter');
    t.equal(
      await page.evaluate(() => document.activeElement?.getAttribute('data-testid')),
      'cancel',
      'the safe answer has the focus',
    );
    await page.keyboard.press('Enter');
    await page.getByTestId('confirm').waitFor({ state: 'hidden' });
    t.equal(heard.length, 3);
  });

  t.test('old values are greyed and say so', async (t) => {
    shown.isE003Stale = true;
    shown.everybodySpeaks();
    await page.getByTestId('presence-E003').waitFor();
    t.equal(await textOf(page, 'presence-E003'), 'Old values');
    shown.isE003Stale = false;
    shown.everybodySpeaks();
    await page.getByTestId('presence-E003').waitFor({ state: 'detached' });
  });

  t.test('a name is text, whatever stands in it, and stays inside its house', async (t) => {
    const strange = '<img src=x onerror=document.title="taken"> and a name that goes on for ever';
    names.E003 = strange;
    shown.everybodySpeaks();
    const house = page.getByTestId('house-E003');
    await house.getByText(strange).waitFor();
    t.equal(await page.locator('.apis-view img').count(), 0);
    const name = await house.getByRole('heading').boundingBox();
    const walls = await house.boundingBox();
    t.ok(name && walls && name.x >= walls.x && name.x + name.width <= walls.x + walls.width);
    delete names.E003;
    shown.everybodySpeaks();
    await house.getByText(strange).waitFor({ state: 'detached' });
  });

  t.test('texts are readable in the light theme (AA)', async (t) =>
    t.same(await faintTexts(page, '.apis-community'), []),
  );

  t.test('dots run along the bus, and stand still for those who ask for it', async (t) => {
    const dots = page.locator('[data-testid=flow-d1] .apis-flow-dots');
    const animation = (): Promise<string> => dots.evaluate((path) => getComputedStyle(path).animationName);
    await page.emulateMedia({ reducedMotion: 'no-preference' });
    t.equal(await animation(), 'apis-flow');
    await page.emulateMedia(STILL);
    t.equal(await animation(), 'none');
  });

  t.test('fits a phone, with an upright bus', async (t) => {
    await page.setViewportSize(VIEWPORTS.phone);
    await page.locator('.apis-picture.is-column').waitFor();
    t.equal(await isWide(page), false);
    const boxes = await Promise.all(HOUSES.map((id) => page.getByTestId(`house-${id}`).boundingBox()));
    t.ok(boxes.every((box) => box !== null && box.x >= 0 && box.x + box.width <= VIEWPORTS.phone.width));
    const tightest = (): Promise<number> =>
      page.evaluate(() => {
        const air = [...document.querySelectorAll('.apis-house')].flatMap((house) => {
          const wall = house.getBoundingClientRect().right;
          return [...house.querySelectorAll('dd, .apis-rsoc')].map((number) => {
            number.textContent = number.matches('dd') ? '2222 W' : '100 %';
            const text = document.createRange();
            text.selectNodeContents(number);
            return wall - text.getBoundingClientRect().right;
          });
        });
        return Math.min(...air);
      });
    // The picture follows the page, and the page comes to rest a few frames after its size has changed.
    await until(async () => (await tightest()) >= 6, 'a page at rest', 3_000).catch(() => undefined);
    t.ok((await tightest()) >= 6, 'the widest numbers keep clear of the walls');
    for (const id of ['mode-run', 'mode-soft-stop', 'mode-force-stop', 'emergency-stop']) {
      t.ok(((await page.getByTestId(id).boundingBox())?.height ?? 0) >= 44, `${id} is big enough for a thumb`);
    }
    await page.setViewportSize(VIEWPORTS.desktop);
  });

  t.test('follows a dark theme without a reload, as readable (AA)', async (t) => {
    await runtime.deploy(FLOW.map((node) => (node.type === 'ui-page' ? { ...node, theme: 'cfg.theme.dark' } : node)));
    await page.locator('.apis-community.is-dark').waitFor();
    t.same(await faintTexts(page, '.apis-community'), []);
  });

  t.test('no error, and no request to anybody else', async (t) => t.same(problems, []));
});

const PAGES = ['community', 'deals', 'house', 'grid', 'faults', 'emulator'];
const THEMES = { light: 'cfg.theme.light', dark: 'cfg.theme.dark' };
const inTheme = (theme: string): Flow => FLOW.map((node) => (node.type === 'ui-page' ? { ...node, theme } : node));

t.test('all six pages', chromiumSkip, async (t) => {
  const browser = await launchChromium();
  t.teardown(() => browser.close());
  const problems: string[] = [];
  const page = await browser.newPage(STILL);
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(runtime.url)) problems.push(request.url());
  });
  community.unit('E001').bus.publish('fault', 'f1', {
    unitId: 'E001',
    category: 'HARDWARE',
    extent: 'LOCAL',
    level: 'FATAL',
    reason: 'safety.over-voltage',
    message: 'vg 412 V > 410 V',
    at: '2026/01/02-03:00:00',
  });
  for (const [name, theme] of Object.entries(THEMES)) {
    await runtime.deploy(inTheme(theme));
    for (const path of PAGES) {
      await t.test(`${path}, ${name}: readable (AA), fits laptop and phone, and is reached by the menu`, async (t) => {
        await page.setViewportSize(VIEWPORTS.desktop);
        await page.goto(`${runtime.url}/dashboard/${path}`);
        await page.locator(`.apis-view${name === 'dark' ? '.is-dark' : ':not(.is-dark)'}`).waitFor();
        await page.getByText('E001').first().waitFor();
        t.same(await faintTexts(page, '.apis-view'), []);
        const menu = page.getByRole('link', { name: new RegExp(path, 'i') });
        t.equal(await menu.count(), 1);
        for (const size of Object.values(VIEWPORTS)) {
          await page.setViewportSize(size);
          const cut = (): Promise<(string | null)[]> =>
            page.evaluate(() =>
              [...document.querySelectorAll<HTMLElement>('.apis-view :is(button, dd, h2, h3, strong, select)')]
                .filter((one) => one.getClientRects().length > 0 && one.getBoundingClientRect().right > innerWidth)
                .map((one) => one.textContent),
            );
          // A page lays itself out anew when its size has changed, and not in the same moment.
          const isLaidOut = async (): Promise<boolean> => !(await isWide(page)) && (await cut()).length === 0;
          await until(isLaidOut, `${path} at ${size.width} pixels`, 3_000).catch(() => undefined);
          t.equal(await isWide(page), false, `nothing to scroll sideways at ${size.width} pixels`);
          t.same(await cut(), [], 'nothing stands beyond the edge');
        }
      });
    }
  }

  t.test('every button, choice and slider is reached by the Tab key alone, and shows that it is', async (t) => {
    await page.setViewportSize(VIEWPORTS.desktop);
    for (const path of PAGES) {
      await page.goto(`${runtime.url}/dashboard/${path}`);
      await page.locator('.apis-view').waitFor();
      await page.getByText('E001').first().waitFor();
      const selector = '.apis-view :is(button, select, input, summary):not(:disabled)';
      const wanted = await page.locator(`${selector}:visible`).count();
      const reached = new Set<string>();
      for (let step = 0; step < wanted + 40 && reached.size < wanted; step += 1) {
        await page.keyboard.press('Tab');
        const at = await page.evaluate((all) => {
          const index = [...document.querySelectorAll(all)].indexOf(document.activeElement ?? document.body);
          const style = index < 0 ? undefined : getComputedStyle(document.activeElement ?? document.body);
          return style === undefined ? undefined : { key: String(index), outline: style.outlineStyle };
        }, selector);
        if (at === undefined) continue;
        reached.add(at.key);
        t.not(at.outline, 'none', `${path}: the focus can be seen`);
      }
      t.equal(reached.size, wanted, path);
    }
  });

  t.test('the Emulator page says what is set, broken and mended', async (t) => {
    const { heard } = community.unit('E001');
    const before = heard.length;
    await page.goto(`${runtime.url}/dashboard/emulator`);
    await page.getByTestId('charge-E002').focus();
    await page.keyboard.press('ArrowRight');
    await until(() => heard.length === before + 1, 'the charge');
    await page.getByTestId('speed-300').click();
    await page.getByTestId('mend-E003-pvDead').click();
    await page.getByTestId('fault-kind').selectOption('heavyAlarm');
    await page.getByTestId('fault-place').selectOption('E004');
    await page.getByTestId('break').click();
    await page.getByTestId('fault-kind').selectOption('lineBreak');
    await page.getByTestId('break').click();
    await until(() => heard.length === before + 5, 'everything said');
    t.same(heard.slice(before), [
      { kind: 'emulation.set', houseId: 'E002', rsoc: 51 },
      { kind: 'emulation.speed', value: 300 },
      { kind: 'emulation.heal', target: { kind: 'pvDead', houseId: 'E003' } },
      { kind: 'emulation.inject', fault: { kind: 'heavyAlarm', houseId: 'E004' } },
      { kind: 'emulation.inject', fault: { kind: 'lineBreak', branch: 'E001-E002' } },
    ]);
  });

  t.test('the House page asks before it gives its own house a mode, and offers it for no other house', async (t) => {
    const { heard } = community.unit('E001');
    const before = heard.length;
    await page.goto(`${runtime.url}/dashboard/house`);
    await page.getByTestId('choose-E001').click();
    await page.getByTestId('own-mode-force-stop').click();
    await page.getByTestId('cancel').click();
    await page.getByTestId('own-mode-force-stop').click();
    await page.getByTestId('confirm').click();
    await until(() => heard.length === before + 1, 'the own mode');
    await page.getByTestId('own-mode-follow').click();
    await page.getByTestId('confirm').click();
    await until(() => heard.length === before + 2, 'following again');
    t.same(heard.slice(before), [
      { kind: 'local-mode', value: 'stop' },
      { kind: 'local-mode', value: null },
    ]);
    await page.getByTestId('choose-E002').click();
    await page.getByTestId('own-mode-follow').waitFor({ state: 'detached' });
    await page.getByTestId('choose-E001').click();
    await page.getByTestId('own-mode-follow').waitFor();
  });

  t.test('an observer sees no button that would be refused', async (t) => {
    await runtime.deploy(FLOW.map((node) => (node.type === 'apis-unit' ? { ...node, role: 'observer' } : node)));
    const offered: Readonly<Record<string, number>> = {
      community: 0,
      deals: 0,
      house: 8,
      grid: 0,
      faults: 3,
      emulator: 0,
    };
    for (const [path, choices] of Object.entries(offered)) {
      await page.goto(`${runtime.url}/dashboard/${path}`);
      await page.locator('.apis-view').waitFor();
      await page
        .getByText(/E001|operator/)
        .first()
        .waitFor();
      // A page begins with what Dashboard kept of the former deploy; it is the live messages that count.
      const buttons = page.locator('.apis-view button:visible');
      const isSettled = async (): Promise<boolean> => {
        const before = await buttons.count();
        await page.waitForTimeout(1_000); // two messages, whatever they say
        return before === choices && (await buttons.count()) === choices;
      };
      await until(isSettled, `${path}: only what chooses the view`, 10_000);
      t.equal(await buttons.count(), choices, path);
    }
    await runtime.deploy(FLOW);
  });

  t.test('reload keeps plots', async (t) => {
    await page.goto(`${runtime.url}/dashboard/house`);
    const line = page.locator('[data-testid=plot-rsoc] .apis-line[d^=M]').first();
    await line.waitFor({ state: 'attached' });
    const drawn = await line.getAttribute('d');
    await page.reload();
    await line.waitFor({ state: 'attached' });
    t.ok((drawn?.length ?? 0) > 0);
    t.ok(((await line.getAttribute('d'))?.length ?? 0) > 0, 'the past is drawn at once');
  });

  t.test('no error, and no request to anybody else', async (t) => t.same(problems, []));
});
