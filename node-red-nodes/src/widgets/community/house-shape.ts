/** Outline of a house: walls with rounded feet under a gabled roof with a soft ridge. Pixels. */
export function houseOutline(width: number, height: number, roof: number): string {
  const w = width - 1.5;
  const ridge = width / 2;
  const r = 14;
  const soft = 16; // half width of the rounded ridge
  const slope = roof / ridge;
  return [
    `M1.5 ${roof + 6}`,
    `Q1.5 ${roof - 4} 10 ${roof - 10 * slope + 2}`,
    `L${ridge - soft} ${soft * slope + 2}`,
    `Q${ridge} 0 ${ridge + soft} ${soft * slope + 2}`,
    `L${width - 10} ${roof - 10 * slope + 2}`,
    `Q${w} ${roof - 4} ${w} ${roof + 6}`,
    `L${w} ${height - r} Q${w} ${height - 1.5} ${w - r} ${height - 1.5}`,
    `L${1.5 + r} ${height - 1.5} Q1.5 ${height - 1.5} 1.5 ${height - r} Z`,
  ].join(' ');
}

const FIELDS = 3;
const THICKNESS = 6;

/** Solar panels lying on the right slope of the roof: three fields, flush with the tiles. */
export function panelOutline(width: number, roof: number): string {
  const ridge = width / 2;
  const pitch = Math.atan2(roof, ridge);
  const length = Math.hypot(roof, ridge);
  const begin = Math.min(30, 0.3 * length);
  const step = (length - begin - Math.min(20, 0.2 * length)) / FIELDS;
  const joint = Math.min(4, step / 4);
  // Along the slope from the ridge, and up from it.
  const at = (along: number, up: number): string => {
    const x = ridge + along * Math.cos(pitch) + up * Math.sin(pitch);
    const y = along * Math.sin(pitch) - up * Math.cos(pitch) + 1;
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  };
  return Array.from({ length: FIELDS }, (_, index) => {
    const near = begin + index * step;
    const far = near + step - joint;
    return `M${at(near, 1)} L${at(far, 1)} L${at(far, THICKNESS)} L${at(near, THICKNESS)} Z`;
  }).join(' ');
}
