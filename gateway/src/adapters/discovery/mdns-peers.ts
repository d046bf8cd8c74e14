import type { UnitPlace } from '../mesh/mqtt-topics.ts';
import type { PeerSource } from '../mesh/peer-source.ts';
import type { Discovery } from './discovery.ts';

/**
 * The units of one cluster that announce themselves, as peers of one of them. Somebody who announces himself under the
 * id of this unit is told as well: whether he lives is found out by asking him.
 */
export function mdnsPeers(
  discovery: Pick<Discovery, 'listen' | 'close'>,
  { communityId, clusterId }: UnitPlace,
): PeerSource {
  return {
    listen: (handle) =>
      discovery.listen(({ places }) =>
        handle(
          places
            .filter((one) => one.communityId === communityId && one.clusterId === clusterId)
            .map(({ unitId, host, port }) => ({ unitId, host, port })),
        ),
      ),
    close: () => discovery.close(),
  };
}
