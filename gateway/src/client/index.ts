/** How programs outside the daemon talk to it. */
export type { ConnectionState, TlsFiles, UnitAddress } from '../adapters/broker/broker-connection.ts';
export type { AnyDelivery } from '../adapters/mesh/message-schemas.ts';
export type { CommunityState, KnownFault, UnitState } from './community-picture.ts';
export { type DaemonFile, readDaemonFile } from './daemon-file.ts';
export { EmulatorClient, type HouseOverrides } from './emulator-client.ts';
export { type FindUnitsOptions, type FoundUnit, findUnits } from './find-units.ts';
export {
  type AddressSource,
  type HeardMessage,
  UnitClient,
  type UnitClientEvents,
  type UnitClientOptions,
} from './unit-client.ts';
