import * as v from 'valibot';

/** What a message says, when it is JSON that the schema knows; undefined for anything else (INV-11). */
export function readJson<S extends v.GenericSchema>(schema: S, payload: Uint8Array): v.InferOutput<S> | undefined {
  try {
    const result = v.safeParse(schema, parseJson(payload));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}

/** @throws SyntaxError */
export const parseJson = (payload: Uint8Array): unknown => JSON.parse(Buffer.from(payload).toString('utf8'));
