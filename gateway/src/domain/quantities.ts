/**
 * Flavoured numbers: a plain number may become any of them, but one never becomes another by mistake.
 * `const v: Volts = amperes` does not compile; `const v: Volts = 350` does.
 */
declare const unit: unique symbol;
type Quantity<Name extends string> = number & { readonly [unit]?: Name };

export type Volts = Quantity<'V'>;
/** Grid and battery currents: + into the battery (charging), − out of it (control.md §0). */
export type Amperes = Quantity<'A'>;
export type Watts = Quantity<'W'>;
export type WattHours = Quantity<'Wh'>;
export type Percent = Quantity<'%'>;
export type Ohms = Quantity<'ohm'>;
export type Celsius = Quantity<'degC'>;
export type Milliseconds = Quantity<'ms'>;
/** Milliseconds since 1970-01-01T00:00Z. */
export type EpochMsec = Quantity<'epoch'>;

export const DAY_MSEC: Milliseconds = 24 * 60 * 60 * 1000;
