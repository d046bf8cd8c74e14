// One end of a mesh in a process of its own, for tests that kill it: `mesh-mortal.ts <JSON of what follows>`.
import { aMeshEnd, type MeshOptions } from './mesh.ts';

/** What the process is told. */
export interface Mortal extends Pick<MeshOptions, 'members' | 'session'> {
  readonly unitId: string;
  readonly port: number;
}

const { unitId, port, ...options } = JSON.parse(process.argv[2] ?? '') as Mortal;
const end = await aMeshEnd(unitId, { ...options, peers: [], broker: { port } });
end.live();
process.stdout.write('lives\n');
