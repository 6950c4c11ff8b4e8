/** Decimals: rounding to a precision as people round, and the decimal a float of 32 or 16 bits stands for. Pure. */

/** Quotients of whole numbers up to this size are far enough from a tie to be rounded in doubles. */
const SURE = 2 ** 51

/** over ÷ under, to so many decimals, halves away from zero: 1.005 to two decimals is 1.01. */
export function roundedQuotient(over: number, under: number, decimals: number): number {
  const power = 10 ** decimals
  const scaled = over * power
  if (Number.isInteger(scaled) && Math.abs(scaled) <= SURE) return halfAway(scaled / under) / power + 0
  return rounded(over / under, decimals)
}

/** A double to so many decimals, halves away from zero, where a half is what prints as one. */
export function rounded(value: number, decimals: number): number {
  const power = 10 ** decimals
  const scaled = value * power
  // Beyond 2^52 there are no decimals left to round.
  if (!(Math.abs(scaled) < 2 ** 52)) return value
  return halfAway(scaled + Math.sign(scaled) * Math.abs(scaled) * 2 ** -51) / power + 0
}

function halfAway(value: number): number {
  return value < 0 ? -Math.round(-value) : Math.round(value)
}

/** 10 to the decimals at which a float32 of this binary exponent has at least six digits: six always come back
 *  unchanged (IEEE 754: FLT_DIG), nine always tell all floats apart. */
const SIX_DIGITS = Float64Array.from({ length: 256 }, (_, exponent) => {
  const decimals = 5 - Math.floor((exponent - 127) * Math.log10(2))
  return decimals < 0 ? 1 : decimals > 19 ? Number.NaN : 10 ** decimals
})

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** The power of ten by which the shortest decimal for this float32 becomes a whole number: 21.4 (which reads as
 *  21.399999618530273) gives 10 or a multiple. 0: there is none of use, the double stands for itself. */
export function powerOfFloat32(value: number): number {
  float[0] = value
  let power = SIX_DIGITS[(bits[0]! >>> 23) & 0xff]!
  for (let digits = 6; digits <= 9; digits++, power *= 10) {
    if (Math.fround(Math.round(value * power) / power) === value) return power
  }
  return 0
}

/** The shortest decimal that is still this very float32. */
export function shortFloat32(value: number): number {
  if (Number.isInteger(value)) return value
  const power = powerOfFloat32(value)
  if (power > 0) return Math.round(value * power) / power
  return tiny(value, 9, Math.fround)
}

/** The same for some places of a column. */
export function shortenFloat32(values: Float64Array, places: Uint32Array): void {
  for (let at = 0; at < places.length; at++) values[places[at]!] = shortFloat32(values[places[at]!]!)
}

/** The shortest decimal that is still this very float16. */
export function shortFloat16(value: number): number {
  return tiny(value, 5, Math.f16round)
}

function tiny(value: number, mostDigits: number, narrow: (value: number) => number): number {
  for (let digits = 1; digits <= mostDigits; digits++) {
    const short = Number(value.toPrecision(digits))
    if (narrow(short) === value) return short
  }
  return value
}
