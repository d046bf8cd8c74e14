// Programs of the system that some tests run. They are installed where that is possible; where it is not, the tests
// that need them skip themselves, by name.
import { accessSync, constants, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { runChild } from './run-child.js';
import { say, step } from './say.js';

/** One of the programs is enough; `packages` are Debian's names; `tests` end the sentence "skipped: …". */
const NEEDS = [
  { programs: ['chromium', 'chromium-browser', 'google-chrome'], packages: ['chromium'], tests: 'the browser tests' },
  { programs: ['mosquitto'], packages: ['mosquitto'], tests: 'the tests against mosquitto' },
  { programs: ['openssl'], packages: ['openssl'], tests: 'the tests with certificates of openssl' },
  { programs: ['ip'], packages: ['iproute2'], tests: 'the tests in network namespaces' },
  { programs: ['nft'], packages: ['nftables'], tests: 'the tests with cut networks' },
  { programs: ['spin'], packages: ['spin'], tests: 'the check of the model' },
  { programs: ['cc', 'gcc'], packages: ['gcc', 'libc6-dev'], tests: 'the check of the model' },
  { programs: ['systemd-analyze'], packages: ['systemd'], tests: 'the check of the systemd units' },
];

/** Not every user has them on the path, and some programs live only there. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/sbin'];

const isExecutable = (file) => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const isFound = (program, folders) => folders.some((folder) => isExecutable(join(folder, program)));

/** Why nothing can be installed here; undefined when it can. */
const obstacle = (folders) => {
  if (!isFound('apt-get', folders)) return 'there is no apt-get';
  return process.getuid?.() === 0 ? undefined : 'only root may install it';
};

const APT_ENV = { DEBIAN_FRONTEND: 'noninteractive' };
const APT = ['-qq', '-o', 'Acquire::Retries=1', '-o', 'Acquire::http::Timeout=30', '-o', 'DPkg::Lock::Timeout=120'];
const INSTALL = [...APT, 'install', '--yes', '--no-install-recommends'];
/** stdout belongs to the task, see run.js. */
const QUIET_STDOUT = ['ignore', 2, 2];

const apt = (...args) => runChild('apt-get', args, APT_ENV, QUIET_STDOUT);

const skipped = (needs) => [...new Set(needs.map(({ tests }) => tests))].join(', ');

/** Debian starts a service with its installation, unless this file says no: tests want programs, not a broker. */
const withoutServices = async (policyFile, action) => {
  const isOurs = writePolicy(policyFile);
  try {
    return await action();
  } finally {
    if (isOurs) rmSync(policyFile, { force: true });
  }
};

/** False when somebody has a policy already. */
const writePolicy = (policyFile) => {
  try {
    writeFileSync(policyFile, '#!/bin/sh\nexit 101\n', { flag: 'wx', mode: 0o755 });
    return true;
  } catch {
    return false;
  }
};

const install = async (missing) => {
  await step('fetch the package index (apt-get update)', () => apt(...APT, 'update'));
  for (const [index, need] of missing.entries()) {
    const title = `install ${need.packages.join(' and ')} (apt-get, ${index + 1} of ${missing.length})`;
    try {
      await step(title, () => apt(...INSTALL, ...need.packages));
    } catch (error) {
      say(`${error.message}: skipped: ${skipped([need])}`);
    }
  }
};

/**
 * Installs what is missing, with apt-get and as root only; never rejects.
 * @param {string[]} folders where programs are looked for
 * @param {string} policyFile Debian's policy for services, see policy-rc.d(8)
 */
export const ensureSystemPackages = async (
  folders = [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM_FOLDERS],
  policyFile = '/usr/sbin/policy-rc.d',
) => {
  const missing = NEEDS.filter(({ programs }) => !programs.some((program) => isFound(program, folders)));
  if (missing.length === 0) return;
  const names = missing.flatMap(({ packages }) => packages).join(', ');
  const reason = obstacle(folders);
  if (reason) return say(`not found: ${names}, and ${reason}; skipped: ${skipped(missing)}`);
  try {
    await withoutServices(policyFile, () => install(missing));
  } catch (error) {
    say(`${error.message}; skipped: ${skipped(missing)}`);
  }
};
