/** Raw numbers to engineering units, so that 301 × 0.1 is 30.1: the double nearest to the decimal result. Pure. */
import type { Mapping } from '../contracts/stage.ts'

/** value = (raw × factor + shift) ÷ divisor. With decimal scale and offset all three are integers, so that for integers up to
 *  2^53 only the division rounds, and it rounds correctly. */
export interface Line {
  readonly factor: number
  readonly shift: number
  readonly divisor: number
}

/** Decimals beyond which a number is no decimal fraction that somebody wrote. */
const MOST_DECIMALS = 12

export function lineOf({ scale, offset }: Pick<Mapping, 'scale' | 'offset'>): Line {
  const decimals = Math.max(decimalsOf(scale), decimalsOf(offset))
  const divisor = 10 ** decimals
  const factor = Math.round(scale * divisor)
  const shift = Math.round(offset * divisor)
  const exact = decimals <= MOST_DECIMALS && Number.isSafeInteger(factor) && Number.isSafeInteger(shift)
  return exact ? { factor, shift, divisor } : { factor: scale, shift: offset, divisor: 1 }
}

export function along({ factor, shift, divisor }: Line, raw: number): number {
  return (raw * factor + shift) / divisor
}

export function isIdentity({ factor, shift, divisor }: Line): boolean {
  return factor === 1 && shift === 0 && divisor === 1
}

export function rounded(value: number, decimals: number): number {
  const power = 10 ** decimals
  const scaled = Math.abs(value) * power
  // Beyond 2^53 there are no decimals left to round.
  return scaled > Number.MAX_SAFE_INTEGER ? value : (Math.sign(value) * Math.round(scaled)) / power
}

/** The decimal with the fewest digits behind the point that is still this very float32: a device that means 21.4 says so,
 *  not 21.399999618530273. Numbers that would need more than nine decimals stay as they are. */
export function shortFloat32(value: number): number {
  if (Number.isInteger(value)) return value
  for (let power = 10; power <= 1e9; power *= 10) {
    const short = Math.round(value * power) / power
    if (Math.fround(short) === value) return short
  }
  return value
}

function decimalsOf(number: number): number {
  const [mantissa, exponent = '0'] = String(number).split('e') as [string, string?]
  const behind = mantissa.split('.')[1]?.length ?? 0
  return Math.max(0, behind - Number(exponent))
}
