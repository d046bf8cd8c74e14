import { execFileSync, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type PeerCertificate, type TLSSocket } from 'node:tls';
import { connectAsync } from 'mqtt';
import t, { type Test } from 'tap';
import { CertificateAuthority } from '../src/adapters/identity/certificates.ts';
import { watchExpiry } from '../src/adapters/identity/expiry-watch.ts';
import { HeldRevocations } from '../src/adapters/identity/held-revocations.ts';
import {
  factsOf,
  type IdentityPems,
  identityPaths,
  installIdentity,
  readIdentity,
} from '../src/adapters/identity/identity-files.ts';
import { hostName, serialOf, serialText, timeOf } from '../src/adapters/identity/x509/fields.ts';
import { makeRevocationList, readRevocationList } from '../src/adapters/identity/x509/revocation-list.ts';
import { readSigningKey } from '../src/adapters/identity/x509/signing-key.ts';
import { stateOf } from '../src/cli/certificate-state.ts';
import { ConfigError, PeerError } from '../src/domain/errors.ts';
import { VirtualClock } from '../src/ports/virtual-clock.ts';
import { cli } from './support/cli.ts';
import { apis, eventually, freePorts } from './support/process.ts';

const DAY_MSEC = 24 * 60 * 60 * 1000;

async function aDirectory(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'apis-ca-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

const aCa = async (t: Test): Promise<CertificateAuthority> =>
  CertificateAuthority.create(join(await aDirectory(t), 'ca'), 'street');

const modeOf = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8);

const isInstalled = (program: string): boolean =>
  ['/usr/bin', '/usr/sbin', '/bin', '/sbin'].some((folder) => existsSync(join(folder, program)));
const needs = (program: string): { readonly skip?: string } =>
  isInstalled(program) ? {} : { skip: `needs ${program} (Debian package)` };

/** A real handshake on loopback, both sides with certificates; gives the client as the server saw it. */
async function shakeHands(server: IdentityPems, client: IdentityPems): Promise<PeerCertificate> {
  const { caPem, certPem, keyPem, revocationListPem } = server;
  const seen = Promise.withResolvers<PeerCertificate>();
  const listener = createServer(
    {
      ca: caPem,
      cert: certPem,
      key: keyPem,
      ...(revocationListPem === undefined ? {} : { crl: revocationListPem }),
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
    },
    (socket) => {
      seen.resolve(socket.getPeerCertificate());
      socket.on('error', () => undefined); // the client leaves without a word
      socket.end();
    },
  );
  // Node's server hangs up on whom it refuses, and tells the reason beside the error.
  listener.on('tlsClientError', (error, socket) => seen.reject(new Error(`${socket.authorizationError ?? error}`)));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo; // a TCP server has one
  const socket: TLSSocket = connect({
    host: '127.0.0.1',
    port,
    ca: client.caPem,
    cert: client.certPem,
    key: client.keyPem,
    checkServerIdentity: () => undefined, // peers go by CA and CN, not by host names
    ...(client.revocationListPem === undefined ? {} : { crl: client.revocationListPem }),
  });
  socket.on('error', seen.reject);
  try {
    return await seen.promise;
  } finally {
    socket.destroy();
    listener.close();
  }
}

t.test('certificates.ts', async (t) => {
  t.test('a unit shows its id, role and cluster; keys are its own alone', async (t) => {
    const ca = await aCa(t);
    const pems = await ca.issue({ name: 'E001', role: 'unit', hosts: ['e001.example', '10.0.0.7'] });
    const facts = factsOf(pems.certPem, 'E001.crt');
    t.match(facts, { name: 'E001', role: 'unit', clusterId: 'street' });
    t.match(facts.serial, /^[0-9A-F]{32}$/);
    t.equal(facts.serial, ca.issued[0]?.serial, 'the serial that is remembered is the one that stands in it');
    t.equal(await modeOf(ca.directory), '700');
    for (const key of ['ca.key', 'issued/E001.key', 'issued.json'])
      t.equal(await modeOf(join(ca.directory, key)), '600');
  });

  t.test('two units prove each other who they are, without any host name', async (t) => {
    const ca = await aCa(t);
    const [one, two] = [await ca.issue({ name: 'E001', role: 'unit' }), await ca.issue({ name: 'E002', role: 'unit' })];
    const peer = await shakeHands(one, two);
    t.match(peer.subject, { CN: 'E002', OU: 'unit', O: 'street' });
  });

  t.test('a certificate of another CA of the same name is refused', async (t) => {
    const [ours, theirs] = [await aCa(t), await aCa(t)];
    const [server, stranger] = [
      await ours.issue({ name: 'E001', role: 'unit' }),
      await theirs.issue({ name: 'E002', role: 'unit' }),
    ];
    const { certPem, keyPem } = stranger;
    await t.rejects(shakeHands(server, { caPem: server.caPem, certPem, keyPem }), {
      message: /VERIFY|SIGNATURE|ISSUER|SELF_SIGNED/,
    });
  });

  t.test('a revoked certificate is refused, a renewed one and the others go on', async (t) => {
    const ca = await aCa(t);
    const bad = await ca.issue({ name: 'E002', role: 'unit' });
    const alsoBad = await ca.renew('E002');
    const good = await ca.issue({ name: 'E003', role: 'unit' });
    const server = await ca.issue({ name: 'E001', role: 'unit' });
    t.match((await shakeHands(server, alsoBad)).subject, { CN: 'E002' });

    const revoked = await ca.revoke('E002');
    t.equal(revoked.length, 2, 'the former one, too');
    const informed = { ...server, revocationListPem: await ca.revocationListPem() };
    await t.rejects(shakeHands(informed, bad), { message: /revoked/i });
    await t.rejects(shakeHands(informed, alsoBad), { message: /revoked/i });
    t.match((await shakeHands(informed, good)).subject, { CN: 'E003' });

    const again = await ca.issue({ name: 'E002', role: 'unit' });
    t.match((await shakeHands(informed, again)).subject, { CN: 'E002' }, 'the owner may get a new one');
  });

  t.test('what it remembers survives the process: serials, revocations, the number of the list', async (t) => {
    const ca = await aCa(t);
    await ca.issue({ name: 'E001', role: 'unit' });
    await ca.issue({ name: 'pi', role: 'operator' });
    await ca.revoke('pi');
    const later = await CertificateAuthority.open(ca.directory);
    t.same(later.issued, ca.issued);
    await later.revoke('E001');
    const list = await readRevocationList(await later.revocationListPem(), later.certPem);
    t.equal(list.number, 3);
    t.same(list.revoked.map(({ serial }) => serial).sort(), later.issued.map(({ serial }) => serial).sort());
  });

  t.test('a death between remembering and listing a revocation is made good at the next opening', async (t) => {
    const ca = await aCa(t);
    await ca.issue({ name: 'E001', role: 'unit' });
    const before = await ca.revocationListPem();
    const [revoked] = await ca.revoke('E001');
    await writeFile(join(ca.directory, 'crl.pem'), before);
    const later = await CertificateAuthority.open(ca.directory);
    const list = await readRevocationList(await later.revocationListPem(), later.certPem);
    t.same(
      list.revoked.map(({ serial }) => serial),
      [revoked?.serial],
    );
  });

  t.test(
    'refuses a second CA in one place, a name that has a certificate, and names that are no file names',
    async (t) => {
      const ca = await aCa(t);
      await ca.issue({ name: 'E001', role: 'unit' });
      await t.rejects(CertificateAuthority.create(ca.directory, 'street'), { message: /already/ });
      await t.rejects(ca.issue({ name: 'E001', role: 'unit' }), { message: /renew it, or revoke it/ });
      await t.rejects(ca.issue({ name: '../E002', role: 'unit' }), ConfigError);
      await t.rejects(CertificateAuthority.create(join(ca.directory, 'x'), 'a/b'), {
        message: /expected a cluster id/,
      });
      await t.rejects(ca.renew('E009'), { message: /no certificate was issued for E009/ });
      await t.rejects(ca.revoke('E009'), { message: /has no valid certificate/ });
      await ca.revoke('E001');
      await t.rejects(ca.renew('E001'), { message: /is revoked/ });
      await t.rejects(CertificateAuthority.open(join(ca.directory, 'nowhere')), { message: /apis ca init/ });
    },
  );

  t.test('nothing outlives the CA', async (t) => {
    const directory = join(await aDirectory(t), 'ca');
    const ca = await CertificateAuthority.create(directory, 'street', { days: 10 });
    const { certPem } = await ca.issue({ name: 'E001', role: 'unit', days: 100 });
    t.equal(factsOf(certPem, 'E001').notAfter, ca.notAfter);
  });

  t.test('refuses the key of another CA, a record it cannot read, a leaf as CA', async (t) => {
    const [ca, other] = [await aCa(t), await aCa(t)];
    const { certPem, keyPem } = await ca.issue({ name: 'E001', role: 'unit' });
    const put = (name: string, text: string): Promise<void> => writeFile(join(ca.directory, name), text);
    const opens = (): Promise<unknown> => CertificateAuthority.open(ca.directory);
    const key = await readFile(join(ca.directory, 'ca.key'), 'utf8');
    await put('ca.key', await readFile(join(other.directory, 'ca.key'), 'utf8'));
    await t.rejects(opens(), { message: /expected the key of ca.crt/ });
    await put('ca.key', 'nonsense');
    await t.rejects(opens(), { message: /ca\.key: expected an RSA or EC private key/ });
    await put('ca.key', key);
    await put('issued.json', '{');
    await t.rejects(opens(), { message: /issued\.json: expected the record/ });
    await put('ca.crt', certPem);
    await put('ca.key', keyPem);
    await t.rejects(opens(), { message: /expected the certificate of a CA/ });
  });
});

t.test('identity-files.ts', async (t) => {
  t.test('reads what was installed, and says which file is wrong', async (t) => {
    const [ca, other] = [await aCa(t), await aCa(t)];
    const directory = join(await aDirectory(t), 'E001', 'certs');
    const paths = identityPaths(directory);
    const pems = await ca.issue({ name: 'E001', role: 'unit' });
    await installIdentity(directory, pems);
    t.match(await readIdentity(paths), { name: 'E001', role: 'unit', clusterId: 'street', ...pems });
    t.equal(await modeOf(directory), '700');
    t.equal(await modeOf(paths.key), '600');

    const alien = await other.issue({ name: 'E001', role: 'unit' });
    await writeFile(paths.key, alien.keyPem);
    await t.rejects(readIdentity(paths), { message: /own\.key: expected the key of .*own\.crt/ });
    await writeFile(paths.cert, alien.certPem);
    await t.rejects(readIdentity(paths), { message: /own\.crt: expected a certificate that .*ca\.crt has signed/ });
    await writeFile(paths.cert, 'x');
    await t.rejects(readIdentity(paths), { message: /own\.crt: expected a certificate in PEM/ });
    await rm(paths.cert);
    await t.rejects(readIdentity(paths), ConfigError);
  });
});

t.test('expiry-watch.ts: warns from 30 days before the end, once a day, until it is renewed', async (t) => {
  const clock = new VirtualClock(Date.UTC(2027, 0, 1));
  const directory = join(await aDirectory(t), 'ca');
  const ca = await CertificateAuthority.create(directory, 'street', { days: 400, now: () => clock.now() });
  const place = identityPaths(join(directory, 'E001'));
  const put = async (pems: IdentityPems) => {
    await installIdentity(join(directory, 'E001'), pems);
    return readIdentity(place);
  };
  let identity = await put(await ca.issue({ name: 'E001', role: 'unit', days: 32 }));
  const warnings: string[] = [];
  const end = watchExpiry({
    clock,
    identity: () => identity,
    warn: (reason, message) => warnings.push(`${reason}: ${message}`),
  });
  await clock.advance(1.5 * DAY_MSEC);
  t.same(warnings, [], '31 days are enough');
  await clock.advance(1 * DAY_MSEC);
  const soon = 'tls.certificate-expires: the certificate of E001 expires on 2027-02-02; renew it: "apis ca renew E001"';
  t.same(warnings, [soon]);
  await clock.advance(30 * DAY_MSEC);
  t.equal(warnings.length, 31, 'each day');
  t.match(warnings.at(-1), /^tls\.certificate-expired: the certificate of E001 has expired on 2027-02-02/);

  identity = await put(await ca.renew('E001', 10_000));
  warnings.length = 0;
  await clock.advance(2 * DAY_MSEC);
  t.same(warnings, []);
  await clock.advance(338 * DAY_MSEC);
  t.match(
    warnings.slice(0, 2),
    [/the certificate of E001 expires/, /the CA "street CA" expires/],
    'it ends with its CA',
  );
  end();
  warnings.length = 0;
  await clock.advance(3 * DAY_MSEC);
  t.same(warnings, []);

  const early = new VirtualClock(identity.notBefore - DAY_MSEC / 2);
  const endEarly = watchExpiry({
    clock: early,
    identity: () => identity,
    warn: (reason, message) => warnings.push(`${reason}: ${message}`),
  });
  t.match(warnings, [
    /^tls\.certificate-not-yet-valid: the certificate of E001 is good from 20..-..-.. on: is the clock/,
  ]);
  await early.advance(DAY_MSEC);
  t.equal(warnings.length, 1, 'and is good then');
  endEarly();
});

t.test('held-revocations.ts', async (t) => {
  const aHolder = async (t: Test, ca: CertificateAuthority, pems: IdentityPems) => {
    const directory = join(await aDirectory(t), 'certs');
    await installIdentity(directory, pems);
    const paths = identityPaths(directory);
    return { paths, held: await HeldRevocations.open(paths), list: () => ca.revocationListPem() };
  };

  t.test('adopts a newer list of the CA, durably, and tells it; never an older one', async (t) => {
    const ca = await aCa(t);
    const first = await ca.issue({ name: 'E001', role: 'unit' });
    const other = await ca.issue({ name: 'E002', role: 'unit' });
    const { held, paths, list } = await aHolder(t, ca, first);
    const told: string[] = [];
    held.onAdopted((pem) => told.push(pem));
    const empty = await list();
    t.equal(await held.adopt(empty), false, 'the same again');

    const { serial } = factsOf(other.certPem, 'E002');
    t.notOk(held.isRevoked(serial));
    await ca.revoke('E002');
    const full = await list();
    t.same(await Promise.all([held.adopt(full), held.adopt(full), held.adopt(empty)]), [true, false, false]);
    t.ok(held.isRevoked(serial));
    t.same(told, [full], 'told once');
    t.equal(await readFile(paths.revocationList, 'utf8'), full);
    t.ok((await HeldRevocations.open(paths)).isRevoked(serial), 'it outlives the process');
  });

  t.test(
    'refuses lists of strangers, changed lists, nonsense and floods, and keeps what it has (INV-11)',
    async (t) => {
      const [ca, other] = [await aCa(t), await aCa(t)];
      const { held, list } = await aHolder(t, ca, await ca.issue({ name: 'E001', role: 'unit' }));
      const mine = await list();
      await other.issue({ name: 'E001', role: 'unit' });
      await other.revoke('E001');
      const block = (body: string): string => `-----BEGIN X509 CRL-----\n${body}\n-----END X509 CRL-----\n`;
      const der = Buffer.from(mine.replace(/-----.*-----/g, ''), 'base64');
      const changedAt = (index: number): string =>
        block(Buffer.from(der.map((byte, at) => (at === index ? byte ^ 1 : byte))).toString('base64'));
      for (const pem of [
        await other.revocationListPem(),
        changedAt(2),
        changedAt(60),
        changedAt(der.length - 1),
        'x',
        block('AAAA'),
        'y'.repeat(600_000),
      ]) {
        await t.rejects(held.adopt(pem), { name: 'PeerError', reason: 'peer.bad-revocation-list' });
      }
      t.equal(held.pem, mine);
    },
  );

  t.test('a newer file that an operator puts there counts; an older one is put right', async (t) => {
    const ca = await aCa(t);
    const { held, paths, list } = await aHolder(t, ca, await ca.issue({ name: 'E001', role: 'unit' }));
    const old = await list();
    await ca.revoke('E001');
    await writeFile(paths.revocationList, await list());
    t.equal(await held.reload(), true);
    t.equal(held.number, 2);
    await writeFile(paths.revocationList, old);
    t.equal(await held.reload(), false);
    t.equal(await readFile(paths.revocationList, 'utf8'), await list());
    await writeFile(paths.revocationList, 'nonsense');
    await t.rejects(HeldRevocations.open(paths), ConfigError);
  });

  t.test('an authority whose list is lost, or an old one, makes one that units take for a newer one', async (t) => {
    const ca = await aCa(t);
    const first = await ca.revocationListPem();
    const pems = await ca.issue({ name: 'E001', role: 'unit' });
    const names = ['E002', 'E003', 'E004'];
    const serials: string[] = [];
    for (const name of names) serials.push(factsOf((await ca.issue({ name, role: 'unit' })).certPem, name).serial);
    await ca.revoke('E002');
    await ca.revoke('E003');
    const { held, list } = await aHolder(t, ca, pems);
    await held.adopt(await list());
    await rm(join(ca.directory, 'crl.pem'));
    const later = await CertificateAuthority.open(ca.directory);
    await later.revoke('E004');
    await held.adopt(await later.revocationListPem());
    t.same(
      serials.map((serial) => held.isRevoked(serial)),
      [true, true, true],
    );
    await writeFile(join(ca.directory, 'crl.pem'), first);
    const restored = await CertificateAuthority.open(ca.directory);
    await restored.revoke('E001');
    t.equal(await held.adopt(await restored.revocationListPem()), true);
  });

  t.test('a list that cannot be read is no empty list: nobody begins without it, and what is held stays', async (t) => {
    const ca = await aCa(t);
    const { serial } = factsOf((await ca.issue({ name: 'E002', role: 'unit' })).certPem, 'E002');
    await ca.revoke('E002');
    const { held, paths } = await aHolder(t, ca, await ca.issue({ name: 'E001', role: 'unit' }));
    await rm(paths.revocationList);
    await mkdir(paths.revocationList); // whose reading fails, for root too
    const refusal = { name: 'ConfigError', message: /crl\.pem.*cannot be read: EISDIR/ };
    await t.rejects(held.reload(), refusal);
    t.ok(held.isRevoked(serial));
    await t.rejects(HeldRevocations.open(paths), refusal);
    await t.rejects(readIdentity(paths), refusal);
  });

  t.test('an authority that cannot read what it has issued or revoked begins no new record', async (t) => {
    for (const name of ['issued.json', 'crl.pem']) {
      const ca = await aCa(t);
      await ca.issue({ name: 'E001', role: 'unit' });
      await ca.revoke('E001');
      await rm(join(ca.directory, name));
      await mkdir(join(ca.directory, name));
      await t.rejects(
        CertificateAuthority.open(ca.directory),
        { name: 'ConfigError', message: /cannot be read/ },
        name,
      );
    }
  });
});

t.test('x509: fields', async (t) => {
  t.test('serials are the same in and out, with high first bits and leading zeros', async (t) => {
    for (const serial of ['1', '7F', '80', 'FF00', '123', 'DEADBEEF00']) t.equal(serialText(serialOf(serial)), serial);
  });
  t.test('years from 2050 on have four digits', async (t) => {
    t.equal(timeOf(Date.UTC(2049, 11, 31)).type, 0);
    t.equal(timeOf(Date.UTC(2050, 0, 1)).type, 1);
  });
  t.test('IP addresses become addresses, the rest names', async (t) => {
    const hex = (host: string): string => Buffer.from(hostName(host).value.valueBlock.valueHexView).toString('hex');
    t.equal(hex('10.0.0.7'), '0a000007');
    t.equal(hex('fe80::1'), `fe80${'0'.repeat(26)}01`);
    t.equal(hex('::'), '0'.repeat(32));
    t.equal(hex('::ffff:1.2.3.4'), `${'0'.repeat(20)}ffff01020304`);
    t.equal(hex('1:2:3:4:5:6:7:8'), '00010002000300040005000600070008');
    t.equal(hostName('e001.local').value, 'e001.local');
  });
  t.test('a list without number, of another program, is older than every other', async (t) => {
    const ca = await aCa(t);
    const key = await readSigningKey(await readFile(join(ca.directory, 'ca.key'), 'utf8'), 'ca.key');
    const pem = await makeRevocationList({ number: 7, issuedAt: 0, revoked: [] }, DAY_MSEC, ca.certPem, key);
    t.match(await readRevocationList(pem, ca.certPem), { number: 7, issuedAt: 0, revoked: [] });
    await t.rejects(readRevocationList(pem, (await aCa(t)).certPem), PeerError);
  });
});

const openssl = (directory: string, ...args: string[]): void => {
  execFileSync('openssl', args, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] });
};

const OPENSSL_KEYS = {
  RSA: ['genrsa', '-traditional', '-out'],
  EC: ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out'],
} as const;

for (const [kind, makeKey] of Object.entries(OPENSSL_KEYS)) {
  t.test(`a CA and a certificate that openssl has made (${kind}) are used as they are`, needs('openssl'), async (t) => {
    const directory = await aDirectory(t);
    await mkdir(join(directory, 'E001'));
    openssl(directory, ...makeKey, 'ca.key');
    openssl(
      directory,
      'req',
      '-new',
      '-x509',
      '-key',
      'ca.key',
      '-subj',
      '/O=street/CN=My CA',
      '-days',
      '90',
      '-out',
      'ca.crt',
    );
    openssl(directory, ...makeKey, 'E001/own.key');
    openssl(directory, 'req', '-new', '-key', 'E001/own.key', '-subj', '/O=street/OU=unit/CN=E001', '-out', 'E001.csr');
    openssl(
      directory,
      'x509',
      '-req',
      '-in',
      'E001.csr',
      '-CA',
      'ca.crt',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '30',
      '-out',
      'E001/own.crt',
    );
    await writeFile(join(directory, 'E001/ca.crt'), await readFile(join(directory, 'ca.crt')));
    const theirs = await readIdentity(identityPaths(join(directory, 'E001')));
    t.match(theirs, { name: 'E001', role: 'unit', clusterId: 'street' });

    const ca = await CertificateAuthority.open(directory);
    t.equal(ca.clusterId, 'street');
    const ours = await ca.issue({ name: 'E002', role: 'unit' });
    t.match((await shakeHands(theirs, ours)).subject, { CN: 'E002' });
    t.match((await shakeHands(ours, theirs)).subject, { CN: 'E001' }, 'and with a list, too');
    await ca.revoke('E002');
    openssl(directory, 'crl', '-in', 'crl.pem', '-CAfile', 'ca.crt', '-noout');
    await t.rejects(shakeHands({ ...theirs, revocationListPem: await ca.revocationListPem() }, ours), {
      message: /revoked/i,
    });
  });
}

t.test('mosquitto takes certificates and revocation list as they are', needs('mosquitto'), async (t) => {
  const ca = await aCa(t);
  await ca.issue({ name: 'broker', role: 'unit' });
  const good = await ca.issue({ name: 'E001', role: 'unit' });
  const bad = await ca.issue({ name: 'E002', role: 'unit' });
  await ca.revoke('E002');
  const [port = 0] = await freePorts(1);
  const file = (name: string): string => join(ca.directory, name);
  const settings = [
    `listener ${port} 127.0.0.1`,
    `cafile ${file('ca.crt')}`,
    `certfile ${file('issued/broker.crt')}`,
    `keyfile ${file('issued/broker.key')}`,
    `crlfile ${file('crl.pem')}`,
    'require_certificate true',
    'use_identity_as_username true',
    ...(process.getuid?.() === 0 ? ['user root'] : []),
    '',
  ];
  await writeFile(file('mosquitto.conf'), settings.join('\n'));
  const broker = spawn('mosquitto', ['-c', file('mosquitto.conf')], {
    stdio: 'ignore',
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
  });
  t.teardown(() => broker.kill('SIGKILL'));
  const attach = ({ caPem, certPem, keyPem }: IdentityPems) =>
    connectAsync({
      protocol: 'mqtts',
      host: '127.0.0.1',
      port,
      ca: caPem,
      cert: certPem,
      key: keyPem,
      reconnectPeriod: 0,
      connectTimeout: 5_000,
    });
  const comes = (pems: IdentityPems): Promise<boolean> =>
    attach(pems).then(
      (client) => client.endAsync(true).then(() => true),
      () => false,
    );
  t.ok(await eventually(() => comes(good), 10_000), 'a good unit comes in, and checks the address of the broker');
  t.notOk(await comes(bad), 'a revoked one does not');
});

t.test('apis ca', async (t) => {
  t.test('init, issue, renew, revoke, show: each answers people and, with --json, programs', async (t) => {
    const directory = await aDirectory(t);
    const dir = ['--dir', join(directory, 'ca')];
    t.match(await cli(['ca', 'init', '--cluster', 'street', ...dir]), {
      code: 0,
      out: /CA of street.*Keep ca\.key secret/,
    });
    t.match(await cli(['ca', 'show', ...dir]), { code: 0, out: /No certificates yet/ });
    const certs = join(directory, 'E001', 'certs');
    const issued = await cli([
      'ca',
      'issue',
      'E001',
      '--role',
      'unit',
      '--host',
      '10.0.0.7',
      '--install',
      certs,
      ...dir,
    ]);
    t.match(issued, { code: 0, out: /E001 has a certificate/, err: '' });
    t.match(await readIdentity(identityPaths(certs)), { name: 'E001' });
    const soon = await cli(['ca', 'issue', 'op', '--role', 'operator', '--days', '20', '--json', ...dir]);
    t.match(JSON.parse(soon.out), { name: 'op', role: 'operator', state: 'expires soon', daysLeft: 19 });
    t.match(await cli(['ca', 'renew', 'E001', ...dir]), { code: 0 });
    t.match(JSON.parse((await cli(['ca', 'revoke', 'op', '--json', ...dir])).out), {
      revoked: [{ name: 'op', state: 'revoked' }],
    });
    const shown = await cli(['ca', 'show', '--json', ...dir]);
    t.match(JSON.parse(shown.out), {
      clusterId: 'street',
      certificates: [{ name: 'E001' }, { name: 'op' }, { name: 'E001' }],
    });
    t.match((await cli(['ca', 'show', ...dir])).out, /op +operator +revoked/);
  });

  t.test(
    'of processes that issue at the same time one does, the others say why not, and no serial is lost',
    async (t) => {
      const directory = join(await aDirectory(t), 'ca');
      await CertificateAuthority.create(directory, 'street');
      const names = ['E001', 'E002', 'E003', 'E004'];
      const processes = names.map((name) => apis('ca', 'issue', name, '--role', 'unit', '--dir', directory));
      const codes = await Promise.all(processes.map(({ ended }) => ended));
      t.ok(codes.includes(0), processes.map(({ err }) => err).join());
      for (const [index, { err }] of processes.entries()) {
        if (codes[index] === 0) continue;
        t.equal(codes[index], 2);
        t.match(err, /the data directory .+ is in use by process \d+/);
      }
      const { issued } = await CertificateAuthority.open(directory);
      t.same(
        issued.map(({ name }) => name).sort(),
        names.filter((_, index) => codes[index] === 0),
      );
      for (const { name, serial } of issued) {
        const pem = await readFile(join(directory, 'issued', `${name}.crt`), 'utf8');
        t.equal(new X509Certificate(pem).serialNumber, serial, name);
      }
    },
  );

  t.test('wrong words are told with exit code 2, and change nothing', async (t) => {
    const directory = await aDirectory(t);
    const dir = ['--dir', join(directory, 'ca')];
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [['ca'], /expected one of init, issue/],
      [['ca', 'isue', 'E001'], /did you mean "issue"/i],
      [['ca', 'init', ...dir], /--cluster ID/],
      [['ca', 'init', '--cluster', 'a b', ...dir], /expected a cluster id/],
      [['ca', 'issue', ...dir], /expected a name after issue/],
      [['ca', 'issue', 'E001', 'E002', '--role', 'unit', ...dir], /unexpected "E002"/],
      [['ca', 'issue', 'E001', '--role', 'king', ...dir], /expected one of unit, operator, device, observer, got king/],
      [['ca', 'issue', 'E001', '--role', 'unit', ...dir], /"apis ca init" makes a CA/],
      [['ca', 'show', '--role', 'unit', ...dir], /--role has no meaning for "ca show"/],
      [['ca', 'init', '--cluster', 'c', '--days', '0', ...dir], /--days: expected a whole number/],
    ];
    for (const [args, complaint] of cases)
      t.match(await cli(args), { code: 2, out: '', err: complaint }, args.join(' '));
    t.notOk(existsSync(join(directory, 'ca', 'ca.key')));
  });

  t.test('stands by itself in a place of its own: the data directory has the CA of the demo', async (t) => {
    t.match((await cli(['ca', '--help'])).out, /directory of the CA; default \.apis-ca\n/);
  });

  t.test('the state of a certificate turns 30 days before its end', async (t) => {
    const at = (days: number) => stateOf({ notAfter: days * DAY_MSEC }, 0).state;
    t.same([31, 30, 0, -1].map(at), ['valid', 'expires soon', 'expired', 'expired']);
    t.equal(stateOf({ notAfter: DAY_MSEC, revokedAt: 1 }, 0).state, 'revoked');
  });
});
