import { connect } from 'mqtt';
import { EmbeddedBroker } from '../../src/adapters/broker/embedded-broker.ts';
import { silentLog } from '../../src/ports/log.ts';
import { PLACE, rootOf } from './mesh.ts';
import { aBirth, aUnit } from './messages.ts';

/**
 * A process that says a thousand messages a second: as a client of the broker at a port (`client PORT`), coming again
 * whenever it is thrown out, or as a peer on a broker of its own, whose port it prints (`peer`).
 */
const [role, port] = process.argv.slice(2);
const TICK_MSEC = 10;
const PER_TICK = 10;

if (role === 'client') {
  const client = connect(`mqtt://127.0.0.1:${port}`, { protocolVersion: 4, reconnectPeriod: 50, queueQoSZero: false });
  client.on('error', () => {});
  const text = JSON.stringify({ body: { kind: 'emergency-stop', reason: 'flood' } });
  setInterval(() => {
    for (let index = 0; index < PER_TICK; index += 1) {
      if (client.connected) client.publish(`${rootOf('E001')}/operator/${index}`, text);
    }
  }, TICK_MSEC);
} else {
  const broker = await EmbeddedBroker.open({
    place: { ...PLACE, unitId: 'E002' },
    log: silentLog,
    open: [],
    hear: () => {},
  });
  const say = (channel: string, body: unknown): void => {
    const envelope = { id: 'x', sender: 'E002', session: 's1', term: 0, time: 0, uptimeMsec: 1, body };
    broker.send(`${rootOf('E002')}/${channel}`, JSON.stringify(envelope), channel === 'birth');
  };
  say('birth', { ...aBirth('E002'), session: 's1' });
  setInterval(() => {
    for (let index = 0; index < PER_TICK; index += 1) say('unit', aUnit('E002'));
  }, TICK_MSEC);
  process.stdout.write(`${broker.address.port}\n`);
}
