import t from 'tap';
import { ControllerRoom } from './support/controller-room.ts';

t.test('smoke', async (t) => {
  const room = await ControllerRoom.started();
  t.match(room.controller.latest(), { stale: false, reading: { battery: { rsoc: 50 } } });
  t.same(await room.writesOf({ command: 'VOLTAGE_REFERENCE' }), ['setMode VOLTAGE_REFERENCE 350 2.3 0']);
  const authorization = await room.run({ command: 'voltageReferenceAuthorization' });
  t.ok(authorization.ok);
  t.comment(`authorization took ${authorization.tookMsec} ms`, room.device.writes);
  t.same(await room.writesOf({ command: 'WAIT' }), ['setVoltage 310 0', 'setMode WAIT 350 0 0']);
  room.device.busV = 350;
  t.same(await room.writesOf({ command: 'CHARGE', gridCurrentA: 2.3 }), [
    'setMode CHARGE 350 1 0',
    'setCurrent 2',
    'setCurrent 2.3',
  ]);
  t.same(await room.writesOf({ command: 'scram' }), [
    'setCurrent 1.3',
    'setCurrent 0.3',
    'setCurrent 0',
    'setMode WAIT 350 0 0',
  ]);
  t.same(room.reasons, []);
  const ended = room.settle(room.controller.stop().then(() => room.controller.read('status')));
  t.match(await ended, { ok: false, error: { reason: 'device.closed' } });
  t.equal(room.clock.nextAt(), undefined);
});
