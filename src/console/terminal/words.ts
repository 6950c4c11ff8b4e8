/** Figures in words: ages, sizes, shares and values as a technician reads them. */
import type { Value } from '../../contracts/batch.ts'
import { Reason } from '../../contracts/batch.ts'
import { harmless } from './text.ts'

/** `340 ms`, `4 s`, `3 min`, `2 h 5 min`, `4 d`. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return 'for ever'
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`
  const seconds = Math.floor(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return minutes < 10 && seconds % 60 > 0 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return minutes % 60 > 0 ? `${hours} h ${minutes % 60} min` : `${hours} h`
  const days = Math.floor(hours / 24)
  return days < 10 && hours % 24 > 0 ? `${days} d ${hours % 24} h` : `${days} d`
}

/** An interval exactly as it is kept: `250 ms`, `1.5 s`, `5 min`. */
export function interval(ms: number): string {
  if (ms < 1000) return `${ms} ms`
  if (ms < 60_000 || ms % 60_000 !== 0) return `${ms / 1000} s`
  return ms % 3_600_000 === 0 ? `${ms / 3_600_000} h` : `${ms / 60_000} min`
}

/** How old a value is: below a second it is simply now. */
export function age(ms: number | null): string {
  if (ms === null) return 'never'
  return ms < 1000 ? 'now' : duration(ms)
}

/** Binary multiples, as the configuration writes them: `64 KiB`, `1.5 GiB`. */
export function bytes(count: number): string {
  let value = count
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (value < 1024) return `${value < 10 && unit !== 'B' ? value.toFixed(1) : Math.round(value)} ${unit}`
    value /= 1024
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} TiB`
}

/** A share between 0 and 1. Something is never called nothing: `<1 %`. */
export function percent(share: number): string {
  if (share > 0 && share < 0.01) return '<1 %'
  return `${Math.round(share * 100)} %`
}

/** `12,400`. */
export function count(number: number): string {
  return Math.round(number)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',')
}

/** Per second, with a decimal below ten. */
export function rate(perSecond: number): string {
  return `${perSecond > 0 && perSecond < 10 ? perSecond.toFixed(1) : count(perSecond)}/s`
}

export function milliseconds(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
}

/** Bytes as a socket carries them. */
interface Carried {
  readonly base64: string
}

/** A value on one line; floats without the noise of their binary form, bytes as hex. */
export function value(given: Value | Carried): string {
  if (given === null) return '–'
  if (typeof given === 'number') return Number.isInteger(given) ? String(given) : String(Number(given.toPrecision(15)))
  if (typeof given === 'boolean') return given ? 'on' : 'off'
  if (typeof given === 'bigint') return given.toString()
  if (typeof given === 'string') return harmless(given)
  if (given instanceof Uint8Array) return Buffer.from(given).toString('hex')
  if ('base64' in given) return Buffer.from(given.base64, 'base64').toString('hex')
  return `[${given.map(value).join(', ')}]`
}

const REASONS: Readonly<Record<Reason, string>> = {
  [Reason.good]: 'good',
  [Reason.noValue]: 'device says: no reading',
  [Reason.outOfRange]: 'out of range',
  [Reason.notDecodable]: 'bytes form no value of this type',
  [Reason.timeout]: 'no answer in time',
  [Reason.noConnection]: 'no connection',
  [Reason.badFrame]: 'damaged answers',
  [Reason.illegalFunction]: 'device: illegal function (1)',
  [Reason.illegalAddress]: 'device: illegal address (2)',
  [Reason.illegalValue]: 'device: illegal value (3)',
  [Reason.deviceFailure]: 'device: failure (4)',
  [Reason.deviceBusy]: 'device: busy (5, 6)',
  [Reason.gatewayPath]: 'far gateway: no path (10)',
  [Reason.gatewayTarget]: 'far gateway: device silent (11)',
  [Reason.deviceSilent]: 'device silent',
  [Reason.noScale]: 'scaling register has no value',
  [Reason.notPrepared]: 'device not set up as configured',
  [Reason.notYet]: 'not read yet',
  [Reason.refused]: 'refused',
}

/** What a quality means, in words. */
export function quality(reason: Reason): string {
  return REASONS[reason] ?? `bad (${reason})`
}
