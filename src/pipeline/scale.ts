/** Raw numbers to engineering units, so that 301 × 0.1 is 30.1: the double nearest to the decimal result. Pure. */
import type { Mapping } from '../contracts/stage.ts'

/** value = (raw × factor + shift) ÷ divisor. Where scale and offset are fractions that people write or that a `range` makes,
 *  all three are integers: then only the division rounds, and it rounds to the nearest double. */
export interface Line {
  readonly factor: number
  readonly shift: number
  readonly divisor: number
  /** Whole raw numbers up to this size map exactly in doubles; larger ones take integers of any size. */
  readonly exactTo: number
}

/** Largest whole number up to which doubles count without holes. */
const WHOLE = 2 ** 53
/** Decimals beyond which a number is no decimal fraction that somebody wrote. */
const MOST_DECIMALS = 12
/** Largest denominator looked for behind a scale such as 100 ÷ 27648. */
const LARGEST_DENOMINATOR = 1_000_000
/** What is not exact for every 16-bit register is not worth its integers. */
const WORTH = 65_536

interface Fraction {
  readonly over: number
  readonly under: number
}

export function lineOf({ scale, offset }: Pick<Mapping, 'scale' | 'offset'>): Line {
  const asGiven = { factor: scale, shift: offset, divisor: 1, exactTo: Number.POSITIVE_INFINITY }
  const slope = fractionOf(scale)
  const start = fractionOf(offset)
  if (slope === undefined || start === undefined) return asGiven
  const divisor = (slope.under / gcd(slope.under, start.under)) * start.under
  const factor = slope.over * (divisor / slope.under)
  const shift = start.over * (divisor / start.under)
  const exactTo = factor === 0 ? Number.POSITIVE_INFINITY : Math.floor((WHOLE - Math.abs(shift)) / Math.abs(factor))
  return divisor <= WHOLE && exactTo >= WORTH ? { factor, shift, divisor, exactTo } : asGiven
}

/** The engineering value of a raw number. */
export function along(line: Line, raw: number): number {
  if (Math.abs(raw) > line.exactTo && Number.isInteger(raw)) return exactly(line, BigInt(raw))
  const { factor, shift, divisor } = line
  const product = raw * factor + shift
  // The product of two large numbers may leave the doubles although the result is one.
  return Number.isFinite(product) ? product / divisor : raw * (factor / divisor) + shift / divisor
}

/** The same for integers of any size. */
export function exactly({ factor, shift, divisor, exactTo }: Line, raw: bigint): number {
  if (exactTo === Number.POSITIVE_INFINITY) return Number(raw) * factor + shift
  return quotient(raw * BigInt(factor) + BigInt(shift), BigInt(divisor))
}

/** Many lines, in columns. */
export interface Lines {
  readonly factor: Float64Array
  readonly shift: Float64Array
  readonly divisor: Float64Array
}

export function linesOf(lines: readonly Line[]): Lines {
  return {
    factor: Float64Array.from(lines, (line) => line.factor),
    shift: Float64Array.from(lines, (line) => line.shift),
    divisor: Float64Array.from(lines, (line) => line.divisor),
  }
}

/** All of `raw` on their lines, without what needs more than doubles. */
export function alongAll({ factor, shift, divisor }: Lines, raw: Float64Array): Float64Array {
  const values = new Float64Array(raw.length)
  for (let at = 0; at < values.length; at++) values[at] = (raw[at]! * factor[at]! + shift[at]!) / divisor[at]!
  return values
}

/** Whether there is anything among them that is no finite number. */
export function isOdd(values: Float64Array): boolean {
  let zero = 0
  for (let at = 0; at < values.length; at++) zero += values[at]! - values[at]!
  return zero !== 0
}

export function isIdentity({ factor, shift, divisor }: Line): boolean {
  return factor === 1 && shift === 0 && divisor === 1
}

/** The double nearest to over ÷ under; `under` is positive. */
export function quotient(over: bigint, under: bigint): number {
  const size = over < 0n ? -over : over
  // 64 bits and one that says whether anything is left are more than a double keeps: rounding them rounds the whole.
  const shift = Math.max(0, 64 + bitsOf(under) - bitsOf(size))
  const scaled = size << BigInt(shift)
  const sticky = scaled % under === 0n ? 0n : 1n
  const value = Number(((scaled / under) << 1n) | sticky) * 2 ** -(shift + 1)
  return over < 0n ? -value : value
}

function bitsOf(size: bigint): number {
  return size.toString(16).length * 4
}

/** The fraction that is meant by a double: the decimal it prints as, or else the simplest within its last bits. */
function fractionOf(number: number): Fraction | undefined {
  const decimals = decimalsOf(number)
  if (decimals <= MOST_DECIMALS) {
    const under = 10 ** decimals
    const over = Math.round(number * under)
    if (Number.isSafeInteger(over)) return reduced(over, under)
  }
  return simplest(number)
}

/** By continued fractions; undefined: there is none with a small denominator. */
function simplest(number: number): Fraction | undefined {
  let [over, under, lastOver, lastUnder] = [Math.floor(number), 1, 1, 0]
  let rest = number - over
  while (Math.abs(over / under - number) > Math.abs(number) * 2 ** -50) {
    if (rest === 0) return undefined
    const step = Math.floor(1 / rest)
    rest = 1 / rest - step
    ;[over, lastOver] = [step * over + lastOver, over]
    ;[under, lastUnder] = [step * under + lastUnder, under]
    if (under > LARGEST_DENOMINATOR) return undefined
  }
  return Number.isSafeInteger(over) ? { over, under } : undefined
}

function reduced(over: number, under: number): Fraction {
  const common = gcd(Math.abs(over), under)
  return { over: over / common, under: under / common }
}

function gcd(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b]
  return a === 0 ? 1 : a
}

function decimalsOf(number: number): number {
  const [mantissa, exponent = '0'] = String(number).split('e') as [string, string?]
  const behind = mantissa.split('.')[1]?.length ?? 0
  return Math.max(0, behind - Number(exponent))
}
