/** What a scan is asked to try, from the words of the command line. Pure. */
import type { LineSettings } from '../../../../hal/contract.ts'
import { Rejected } from '../../../contracts/errors.ts'
import { parseDuration } from '../../../contracts/units.ts'
import type { ConnectionSettings } from '../settings.ts'

export interface ScanWish {
  readonly units: readonly number[]
  /** Line settings to try beside those that are set; empty: only those that are set. */
  readonly lines: readonly LineSettings[]
  readonly timeoutMs: number
}

/** Long enough for a slow device on a line; a gateway waits for its own line first. */
const TIMEOUT_MS = { rtu: 300, 'rtu-over-tcp': 1000, tcp: 1000 } as const
const LONGEST_MS = 10_000
const BAUD_RATES = [9600, 19_200, 38_400, 115_200, 57_600, 4800, 2400, 1200]
const PARITIES = ['none', 'even', 'odd'] as const

type Parity = (typeof PARITIES)[number]

/** `options`: `units`, `baud`, `parity`, `timeout` as typed. Throws Rejected. */
export function scanWish(options: Readonly<Record<string, unknown>>, settings: ConnectionSettings): ScanWish {
  const unknown = Object.keys(options).find((key) => !['units', 'baud', 'parity', 'timeout'].includes(key))
  if (unknown !== undefined) throw new Rejected(`a scan has no option "${unknown}"`)
  return {
    units: unitsOf(word(options, 'units'), settings.kind === 'tcp' ? [0, 255] : [1, 247]),
    lines: linesOf(word(options, 'baud'), word(options, 'parity'), settings),
    timeoutMs: timeoutOf(word(options, 'timeout'), TIMEOUT_MS[settings.kind]),
  }
}

function word(options: Readonly<Record<string, unknown>>, key: string): string | null {
  const given = options[key]
  if (given === undefined) return null
  if (typeof given !== 'string') throw new Rejected(`--${key} is not a text`)
  return given
}

function unitsOf(text: string | null, [least, most]: readonly [number, number]): readonly number[] {
  if (text === null) return span(least, most)
  const units = text.split(',').flatMap((part) => {
    const match = /^\s*(\d{1,3})(?:\s*[-–]\s*(\d{1,3}))?\s*$/.exec(part)
    const [from, to] = [Number(match?.[1] ?? Number.NaN), Number(match?.[2] ?? match?.[1])]
    if (!(from >= least && to <= most && from <= to)) {
      throw new Rejected(`--units takes numbers and ranges from ${least} to ${most} such as 1-32,247, not "${text}"`)
    }
    return span(from, to)
  })
  return [...new Set(units)]
}

function span(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, at) => from + at)
}

function linesOf(baud: string | null, parity: string | null, settings: ConnectionSettings): readonly LineSettings[] {
  if (baud === null && parity === null) return []
  if (settings.kind !== 'rtu') throw new Rejected('--baud and --parity are for a serial line of this box')
  const rates = baud === null ? [settings.baudRate] : baud === 'all' ? BAUD_RATES : baud.split(',').map(rateOf)
  const parities: readonly Parity[] =
    parity === null ? [settings.parity] : parity === 'all' ? PARITIES : parity.split(',').map(parityOf)
  const { dataBits, stopBits } = settings
  return rates.flatMap((baudRate) =>
    parities.map((own) => ({ baudRate, dataBits, parity: own, stopBits: own === 'none' ? stopBits : 1 }) as const),
  )
}

function rateOf(text: string): number {
  const rate = /^\d{3,7}$/.test(text.trim()) ? Number(text) : 0
  if (rate < 300 || rate > 4_000_000) throw new Rejected(`--baud takes rates such as 9600,19200 or all, not "${text}"`)
  return rate
}

function parityOf(text: string): Parity {
  const found = PARITIES.find((known) => known === text.trim().toLowerCase())
  if (found === undefined) throw new Rejected(`--parity takes none, even, odd or all, not "${text}"`)
  return found
}

function timeoutOf(text: string | null, usual: number): number {
  if (text === null) return usual
  const ms = parseDuration(text)
  if (ms === undefined || ms < 5 || ms > LONGEST_MS) {
    throw new Rejected(`--timeout takes a duration from 5ms to ${LONGEST_MS / 1000}s, not "${text}"`)
  }
  return ms
}

/** `19200 8E1`. */
export function lineName({ baudRate, dataBits, parity, stopBits }: LineSettings): string {
  return `${baudRate} ${dataBits}${parity[0]!.toUpperCase()}${stopBits}`
}
