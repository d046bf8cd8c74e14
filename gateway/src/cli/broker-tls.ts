import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { TlsFiles } from '../adapters/broker/broker-connection.ts';
import type { BrokerTls } from '../adapters/broker/broker-door.ts';
import { brokerProblem } from '../adapters/identity/certificate-roles.ts';
import { type IdentityPaths, identityPaths } from '../adapters/identity/identity-files.ts';
import { TlsIdentity } from '../adapters/identity/tls-identity.ts';
import type { UnitSettings } from '../config/load-unit.ts';
import { ConfigError } from '../domain/errors.ts';
import type { Log } from '../ports/log.ts';
import { fileReader } from './file-reader.ts';

/** TLS of a unit's broker, and the files by which clients on this machine take part in it. */
export type UnitTls = BrokerTls & { readonly files: TlsFiles };

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/;

const isLoopback = (host: string): boolean => LOOPBACK.test(host);

/** True for an address that means all of a machine. */
export const isEverywhere = (host: string): boolean => host === '0.0.0.0' || host === '::';

/**
 * Opens the certificates of a unit: those that its config names, else those that `apis ca` has installed in its data
 * directory; undefined without any. Rejects `ConfigError` for bad ones, and for a broker that strangers could reach.
 */
export async function openTls(settings: UnitSettings, directory: string, log: Log): Promise<UnitTls | undefined> {
  const { unitConfig, policy } = settings;
  const { mqtt, unitId, clusterId } = unitConfig;
  const refuse = (path: string, message: string): never => {
    throw new ConfigError([{ file: settings.file ?? `config of ${unitId}`, path, message }]);
  };
  const paths = pathsOf(settings, directory);
  if (paths === undefined) {
    if (isLoopback(mqtt.host) || mqtt.insecure) return undefined;
    return refuse(
      'mqtt.host',
      `expected certificates ("apis ca issue", or mqtt.tls) for a broker at ${mqtt.host}, which others can reach, got none; ` +
        'mqtt.insecure: true lets everybody on the network operate the unit',
    );
  }
  const identity = await TlsIdentity.open(paths, log);
  const roles = mqtt.tls?.roles ?? {};
  const problem = brokerProblem(identity.identity, unitId, { clusterId, roles });
  if (problem !== undefined) {
    identity.close();
    refuse('mqtt.tls.cert', `${problem}; name a data directory of this unit (--data), or "apis ca issue" it another`);
  }
  return {
    identity,
    rules: { clusterId, roles, isMember: (id) => policy.memberUnitIds.includes(id) },
    files: { ca: resolve(paths.ca), cert: resolve(paths.cert), key: resolve(paths.key) },
  };
}

function pathsOf({ file, unitConfig }: UnitSettings, directory: string): IdentityPaths | undefined {
  const installed = identityPaths(join(directory, 'certs'));
  const { tls } = unitConfig.mqtt;
  if (tls === undefined) return existsSync(installed.cert) ? installed : undefined;
  const beside = (name: string): string => (file === undefined ? name : fileReader.beside(file, name));
  return {
    ca: beside(tls.ca),
    cert: beside(tls.cert),
    key: beside(tls.key),
    revocationList: tls.crl === undefined ? installed.revocationList : beside(tls.crl),
  };
}
