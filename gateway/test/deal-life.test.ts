import t from 'tap';
import { aDeal, ScriptedGrid } from './support/scripted-grid.ts';

t.test('§13.2.1 a single deal goes from creation to disposal, and both converters end in WAIT', async (t) => {
  const grid = new ScriptedGrid();
  grid.master.start();
  await grid.run(100);
  const deal = aDeal('E001', 'E002');
  grid.add(deal);
  t.ok(await grid.runUntil(() => grid.unit('E002').mode === 'DISCHARGE', 5_000));
  t.ok(await grid.runUntil(() => grid.isGone(deal.dealId)));
  t.same(grid.commands, [
    'E001 VOLTAGE_REFERENCE',
    'E001 voltageReferenceAuthorization',
    'E002 DISCHARGE 1',
    'E002 WAIT',
    'E001 WAIT',
  ]);
  t.same(grid.violations, []);
});
