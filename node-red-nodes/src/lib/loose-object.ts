/** An object of which nothing is known yet. */
export type LooseObject = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is LooseObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The id in a part of a message; undefined when there is none. */
export const idIn = (value: unknown): string | undefined =>
  isObject(value) && typeof value.id === 'string' && value.id !== '' ? value.id : undefined;
