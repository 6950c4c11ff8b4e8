/** Frames as a person reads them, one line each. */
import type { TracedFrame } from '../../contracts/trace.ts'
import { ascii, fixed, harmless, type Ink, ink, padStart, type Style } from './text.ts'

const clock = new Intl.DateTimeFormat('sv-SE', { timeStyle: 'medium' })

const day = new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'medium' })

const WIDTHS = { time: 15, delta: 9, unit: 4, verdict: 13, response: 9 } as const

export function frameHead(): string {
  const { time, delta, unit, verdict, response } = WIDTHS
  const names = [
    fixed('TIME', time),
    padStart('DELTA ms', delta),
    ' ',
    padStart('UNIT', unit),
    fixed('VERDICT', verdict),
    padStart('TOOK ms', response),
    'FRAME',
  ]
  return names.join('  ')
}

/** Over the frames around a fault, of which the fault itself is marked. */
export function incidentHead({ at, text }: { readonly at: number; readonly text: string }): string {
  return `${day.format(at)}  ${harmless(text)} (marked >)`
}

/** `previousAt`: when the frame before it passed; null: there was none. */
export function frameLine(frame: TracedFrame, previousAt: number | null, style: Style): string {
  const { at, way, unit, text, verdict, fault, elapsedMs } = frame
  const arrow = way === 'sent' ? '→' : way === 'received' ? '←' : '×'
  const colour: Ink | null = fault ? 'red' : verdict === 'answer' ? 'green' : null
  const word = fixed(verdict === 'request' ? '' : harmless(verdict), WIDTHS.verdict)
  const line = [
    microseconds(at),
    padStart(previousAt === null ? '' : `+${(at - previousAt).toFixed(3)}`, WIDTHS.delta),
    arrow,
    padStart(unit === null ? '' : String(unit), WIDTHS.unit),
    colour === null ? word : ink(word, colour, style),
    padStart(elapsedMs === null ? '' : elapsedMs.toFixed(3), WIDTHS.response),
    harmless(text),
  ].join('  ')
  return style.unicode ? line : ascii(line)
}

/** `07:44:01.123456`, local time. */
function microseconds(at: number): string {
  const micro = Math.floor((at - Math.floor(at / 1000) * 1000) * 1000)
  return `${clock.format(at)}.${String(micro).padStart(6, '0')}`
}
