import { join, resolve } from 'node:path';
import type { CertificateAuthority, IssuedCertificate } from '../adapters/identity/certificates.ts';
import { isRole, ROLES } from '../domain/role.ts';
import { type CertificateState, stateOf } from './certificate-state.ts';
import { command, type Io } from './command.ts';
import { lockData } from './data-lock.ts';
import { suggestion } from './nearest.ts';
import { flag, many, one, UsageError, type ValuesOf } from './option.ts';
import { textTable } from './text-table.ts';
import { dataDirectory, text, wholeNumber } from './value-kinds.ts';

const MOST_DAYS = 50 * 365;

/** Beside the data directory, not in it: there the demo keeps a CA of its own, and it may be thrown away. */
const DEFAULT_CA_DIRECTORY = '.apis-ca';

const OPTIONS = {
  dir: one(dataDirectory, `directory of the CA; default ${DEFAULT_CA_DIRECTORY}`),
  cluster: one(text('ID'), 'init: id of the cluster'),
  role: one(text('ROLE'), `issue: ${ROLES.join(', ')}`),
  host: many(text('HOST'), 'issue: name or address under which it is reached, for clients that check it'),
  days: one(wholeNumber('N', 1, MOST_DAYS), 'how long it is valid; default 20 years for a CA, 2 for others'),
  install: one(dataDirectory, 'issue, renew: also put certificate, key, CA and revocation list there'),
  json: flag('print one JSON object'),
} as const;

type Values = ValuesOf<typeof OPTIONS>;

interface Task {
  readonly values: Values;
  readonly directory: string;
  /** Name that stands after the action. */
  readonly name: string;
  readonly io: Io;
}

interface Action {
  readonly takesName: boolean;
  readonly options: readonly (keyof Values)[];
  readonly run: (task: Task, certificates: typeof import('../adapters/identity/certificates.ts')) => Promise<void>;
}

const ACTIONS: Readonly<Record<string, Action>> = {
  init: {
    takesName: false,
    options: ['cluster', 'days'],
    run: async ({ values, directory, io }, { CertificateAuthority }) => {
      if (values.cluster === undefined) throw new UsageError('expected the id of the cluster: --cluster ID');
      const days = values.days === undefined ? {} : { days: values.days };
      const ca = await CertificateAuthority.create(directory, values.cluster, days);
      answer(
        io,
        values,
        showCa(ca),
        `The CA of ${ca.clusterId} is in ${directory}. Keep ca.key secret, and a copy of it.`,
      );
    },
  },
  issue: {
    takesName: true,
    options: ['role', 'host', 'days', 'install'],
    run: async (task, { CertificateAuthority }) => {
      const { role, host, days } = task.values;
      if (!isRole(role)) throw new UsageError(`--role: expected one of ${ROLES.join(', ')}, got ${role ?? 'nothing'}`);
      const ca = await CertificateAuthority.open(task.directory);
      const pems = await ca.issue({ name: task.name, role, hosts: host, ...(days === undefined ? {} : { days }) });
      await deliver(task, ca, pems);
    },
  },
  renew: {
    takesName: true,
    options: ['days', 'install'],
    run: async (task, { CertificateAuthority }) => {
      const ca = await CertificateAuthority.open(task.directory);
      await deliver(task, ca, await ca.renew(task.name, task.values.days));
    },
  },
  revoke: {
    takesName: true,
    options: [],
    run: async ({ values, directory, name, io }, { CertificateAuthority }) => {
      const ca = await CertificateAuthority.open(directory);
      const revoked = await ca.revoke(name);
      const list = join(directory, 'crl.pem');
      answer(
        io,
        values,
        { revoked: revoked.map(show), revocationList: list },
        `${name} is revoked. Put ${list} into the directory of certificates of one unit: the others learn of it.`,
      );
    },
  },
  show: {
    takesName: false,
    options: [],
    run: async ({ values, directory, io }, { CertificateAuthority }) => {
      const ca = await CertificateAuthority.open(directory);
      answer(io, values, showCa(ca), caText(ca));
    },
  },
};

/** `apis ca`: authority and certificates of a cluster, without any other program. */
export const caCommand = command({
  summary: 'make and look after the certificates of a cluster',
  words: 'init|issue NAME|renew NAME|revoke NAME|show',
  options: OPTIONS,
  notes: [
    'The name of a unit is its id. Peers are known by the CA and by that name, whatever their address is.',
    'A renewed certificate leaves the former one valid until it expires; revoke shuts out both.',
  ],
  run: async (values, [word, ...names], io) => {
    const action = word !== undefined && Object.hasOwn(ACTIONS, word) ? ACTIONS[word] : undefined;
    if (action === undefined) {
      const known = Object.keys(ACTIONS);
      throw new UsageError(
        `expected one of ${known.join(', ')}, got ${word ?? 'nothing'}.${suggestion(word ?? '', known)}`,
      );
    }
    checkWords(word ?? '', action, names);
    checkOptions(word ?? '', action, values);
    const directory = values.dir ?? resolve(DEFAULT_CA_DIRECTORY);
    // Loaded only where it is used: the library is large.
    const certificates = await import('../adapters/identity/certificates.ts');
    const lock = await lockData(directory, 'ca.lock');
    try {
      await action.run({ values, directory, name: names[0] ?? '', io }, certificates);
    } finally {
      await lock.release();
    }
    return 0;
  },
});

function checkWords(word: string, { takesName }: Action, names: readonly string[]): void {
  if (takesName && names[0] === undefined) throw new UsageError(`expected a name after ${word}`);
  const surplus = names[takesName ? 1 : 0];
  if (surplus !== undefined) throw new UsageError(`unexpected "${surplus}"`);
}

/** An option that has no effect here would be a silent mistake. */
function checkOptions(word: string, action: Action, values: Values): void {
  const allowed: readonly string[] = ['dir', 'json', ...action.options];
  const isGiven = (value: unknown): boolean => value !== undefined && !(Array.isArray(value) && value.length === 0);
  const stray = Object.entries(values).find(
    ([name, value]) => !allowed.includes(name) && isGiven(value) && value !== false,
  );
  if (stray !== undefined) throw new UsageError(`--${stray[0]} has no meaning for "ca ${word}"`);
}

async function deliver(
  { values, directory, name, io }: Task,
  ca: CertificateAuthority,
  pems: import('../adapters/identity/identity-files.ts').IdentityPems,
): Promise<void> {
  if (values.install !== undefined) {
    const { installIdentity } = await import('../adapters/identity/identity-files.ts');
    await installIdentity(values.install, pems);
  }
  const newest = ca.issued.findLast((issued) => issued.name === name);
  const files = {
    certificate: join(directory, 'issued', `${name}.crt`),
    key: join(directory, 'issued', `${name}.key`),
  };
  const installed = values.install === undefined ? [] : [`  Installed    ${values.install}`];
  answer(
    io,
    values,
    {
      ...(newest === undefined ? {} : show(newest)),
      ...files,
      ...(values.install === undefined ? {} : { installed: values.install }),
    },
    [
      `${name} has a certificate.`,
      `  Certificate  ${files.certificate}`,
      `  Key          ${files.key}`,
      ...installed,
    ].join('\n'),
  );
}

function answer(io: Io, { json }: Values, result: object, words: string): void {
  io.out(`${json ? JSON.stringify(result) : words}\n`);
}

interface Shown extends CertificateState {
  readonly name: string;
  readonly role: string;
  readonly serial: string;
}

const show = (issued: IssuedCertificate): Shown => ({
  name: issued.name,
  role: issued.role,
  serial: issued.serial,
  ...stateOf(issued, Date.now()),
});

const showCa = (ca: CertificateAuthority) => ({
  directory: ca.directory,
  clusterId: ca.clusterId,
  ...stateOf(ca, Date.now()),
  certificates: ca.issued.map(show),
});

function caText(ca: CertificateAuthority): string {
  const { state, expires, daysLeft } = stateOf(ca, Date.now());
  const head = `CA of ${ca.clusterId} in ${ca.directory}: ${state}, expires ${expires} (${daysLeft} days)`;
  const rows = ca.issued
    .map(show)
    .map((one) => [one.name, one.role, one.state, one.expires, String(one.daysLeft), one.serial]);
  if (rows.length === 0) return `${head}\nNo certificates yet: "apis ca issue NAME --role ROLE".`;
  return `${head}\n\n${textTable(['name', 'role', 'state', 'expires', 'days', 'serial'], rows)}`;
}
