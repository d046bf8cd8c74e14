import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const file = fileURLToPath(new URL('../../../../shared/vectors/decision-vectors.json', import.meta.url));

/** One decision vector; input and expected differ by kind, the tests of a kind say what they take from it. */
export interface Vector {
  readonly id: string;
  readonly kind: string;
  readonly description: string;
  // biome-ignore lint/suspicious/noExplicitAny: free-form JSON of a reference file, one shape per kind
  readonly input: any;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly expected: any;
  readonly conformance?: 'keep' | 'may-improve';
}

/** Reason for skipping where the reference files are not there. */
export const skipWithoutVectors: string | false = existsSync(file) ? false : 'needs ../shared/vectors';

const all = (): { vectors: readonly Vector[]; rounds: readonly Vector[] } =>
  skipWithoutVectors === false ? JSON.parse(readFileSync(file, 'utf8')) : { vectors: [], rounds: [] };

/** The vectors of one kind that are tagged `keep`. */
export const keepVectors = (kind: string): readonly Vector[] =>
  all().vectors.filter((vector) => vector.kind === kind && vector.conformance === 'keep');

/** Every vector of the file, rounds included, without its content. */
export const allVectorIds = (): readonly Pick<Vector, 'id' | 'kind' | 'conformance'>[] => {
  const { vectors, rounds } = all();
  return [...vectors, ...rounds].map(({ id, kind, conformance = 'keep' }) => ({ id, kind, conformance }));
};

/** A vector of any tag by its id; one that is missing from the file fails the test that asks for it. */
export function vectorById(id: string): Vector {
  const { vectors, rounds } = all();
  const found = [...vectors, ...rounds].find((vector) => vector.id === id);
  if (found === undefined) throw new Error(`no vector ${id}`);
  return found;
}
