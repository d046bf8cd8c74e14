/** Fields that a person reads first, or not at all. */
const LEADING = ['level', 'time', 'unitId', 'event'];
const MARKS: Readonly<Record<string, string>> = { warn: '! ', error: '!! ', fatal: '!!! ' };
const LONGEST_VALUE = 60;

const textOf = (value: unknown): string => {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const isId = /^[0-9a-f]{8}-[0-9a-f]{4}-/.test(text);
  if (isId) return text.slice(0, 8);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
};

const rounded = (value: unknown): unknown => (typeof value === 'number' ? Number(value.toPrecision(6)) : value);

/**
 * One line of the log for somebody who watches: `09:00:03 E001 ! election.quorum-lost term 4`. What is no line of ours
 * stays as it is.
 */
export function readableLine(line: string): string {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line);
  } catch {
    return line;
  }
  const { level, time, unitId, event } = fields;
  const rest = Object.entries(fields).filter(([name]) => !LEADING.includes(name));
  const words = rest.map(([name, value]) => `${name} ${textOf(rounded(value))}`);
  const clock = String(time).slice(11, 19);
  const who = unitId === undefined ? '' : `${String(unitId)} `;
  return `${clock} ${who}${MARKS[String(level)] ?? ''}${[event, ...words].join(' ')}\n`;
}
