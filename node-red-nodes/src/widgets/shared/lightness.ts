/** Share of light in an `r,g,b` text as Dashboard's theme variables hold it, 0 black … 1 white; white for no colour. */
export function lightness(rgb: string): number {
  const [red = 255, green = 255, blue = 255] = (rgb.match(/\d+(\.\d+)?/g) ?? []).map(Number);
  return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255;
}
