/** Passes a value on only when it differs from the last one passed. */
export function whenChanged<V>(pass: (value: V) => void): (value: V) => void {
  let last: string | undefined;
  return (value) => {
    const text = JSON.stringify(value);
    if (text === last) return;
    last = text;
    pass(value);
  };
}
