/** Keeps of an object the parts that differ from those of the last call; all of them every `wholeEvery` calls. */
export function newsOf(wholeEvery: number): <T extends object>(parts: T) => Partial<T> {
  const last = new Map<string, string>();
  let turn = 0;
  return (parts) => {
    if (turn++ % wholeEvery === 0) last.clear();
    const fresh = Object.entries(parts).filter(([name, value]) => {
      const text = JSON.stringify(value);
      const isNews = last.get(name) !== text;
      last.set(name, text);
      return isNews;
    });
    return Object.fromEntries(fresh) as typeof parts;
  };
}
