import type { Unsubscribe } from '../../ports/bus.ts';

/** Where the broker of another unit is said to be: a hint only, its certificate and its words decide. */
export interface PeerAddress {
  readonly unitId: string;
  readonly host: string;
  readonly port: number;
}

/**
 * Who might be out there (architecture.md §3): from the config, from mDNS. It says addresses, never who is alive.
 * One unit may be named with several addresses; a source may also name the unit itself.
 */
export interface PeerSource {
  /** Calls `handle` with all that is known, soon and after each change. */
  listen(handle: (peers: readonly PeerAddress[]) => void): Unsubscribe;
  /** Ends the look-out; nothing is said afterwards. */
  close(): Promise<void>;
}

/** Peers that the config names (`peers`), for networks without multicast. */
export function staticPeers(peers: readonly PeerAddress[]): PeerSource {
  return {
    listen: (handle) => {
      handle(peers);
      return () => {};
    },
    close: async () => {},
  };
}

/** All that several sources know, the first one's addresses first. */
export function joinedPeers(sources: readonly PeerSource[]): PeerSource {
  return {
    listen: (handle) => {
      const known = sources.map((): readonly PeerAddress[] => []);
      const unsubscribes = sources.map((source, index) =>
        source.listen((peers) => {
          known[index] = peers;
          handle(known.flat());
        }),
      );
      return () => {
        for (const unsubscribe of unsubscribes) unsubscribe();
      };
    },
    close: async () => {
      await Promise.all(sources.map((source) => source.close()));
    },
  };
}
