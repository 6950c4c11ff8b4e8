/** A lamp of the kernel's, `/sys/class/leds/NAME` (Documentation/ABI/testing/sysfs-class-led): full on, off, or blinking by the
 *  kernel through the triggers `timer` and `pattern`. */
import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigurationFault } from '../../../src/contracts/errors.ts'
import { codeOf, unavailable } from '../../fault.ts'
import { isRefused, noRights, RIGHTS_MS } from '../kernel/rights.ts'

/** On for so long, off for so long. */
export interface Beat {
  readonly on: boolean
  readonly ms: number
}

/** What the kernel can make of beats: nothing blinks at all, one of its triggers, or it cannot. */
export type Way = 'steady' | 'timer' | 'pattern' | undefined

export class KernelLamp {
  readonly name: string
  readonly text: string
  /** Its colours in the order of `multi_intensity`; undefined: it has but one. */
  readonly tints: readonly string[] | undefined
  readonly #root: string
  readonly #folder: string
  readonly #max: number
  readonly #before: readonly (readonly [file: string, value: string])[]
  #brightness: number | undefined
  /** undefined: whatever was found. */
  #trigger: string | undefined
  readonly #triggers = new Set<string>()
  #shutTriggers = false
  #timer: NodeJS.Timeout | undefined

  /** Changes nothing yet. Throws ConfigurationFault: no such lamp, no rights. */
  constructor({ name, root = '/' }: { name: string; root?: string }) {
    this.name = name
    this.#root = root
    this.text = `the lamp ${name}`
    const all = join(root, 'sys/class/leds')
    this.#folder = join(all, name)
    if (name.includes('/') || !existsSync(this.#folder)) {
      const others = existsSync(all) ? readdirSync(all).join(', ') : ''
      throw new ConfigurationFault(
        `there is no lamp ${name} in /sys/class/leds: this box has ${others || 'none'}; correct the board file, or load the lamp's driver`,
      )
    }
    const found = this.#said(() => {
      this.#brightness = this.#open()
      const tints = this.#has('multi_intensity') ? this.#read('multi_index').split(/\s+/) : undefined
      return { max: Number(this.#read('max_brightness')) || 1, tints, before: this.#found() }
    })
    this.#max = found.max
    this.tints = found.tints
    this.#before = found.before
  }

  set(on: boolean): void {
    this.#stopTimer()
    this.#said(() => {
      this.#still()
      this.#level(on)
    })
  }

  /** Shares of its colours, 0 to 1, in the order of `tints`; seen with the next `set`. */
  tint(shares: readonly number[]): void {
    // A colour that can only be on or off is on with any share.
    const levels = shares.map((share) => Math.ceil(share * this.#max)).join(' ')
    this.#said(() => this.#write('multi_intensity', levels))
  }

  /** `exact`: in step with another lamp's other beats; `timer` always begins with light. */
  way(beats: readonly Beat[], exact: boolean): Way {
    if (beats.length < 2) return 'steady'
    if (this.#shutTriggers || !this.#has('trigger')) return undefined
    if (beats.length === 2 && !exact && this.#known('timer')) return 'timer'
    return this.#known('pattern') ? 'pattern' : undefined
  }

  /** What no loaded module gives is not in the list, and would be EINVAL; a module may be loaded later. */
  #known(trigger: string): boolean {
    if (!this.#triggers.has(trigger)) this.#said(() => this.#list())
    return this.#triggers.has(trigger)
  }

  /** Adds what the list has; returns the trigger in force. */
  #list(): string {
    const list = this.#read('trigger')
    for (const each of list.split(/\s+/)) this.#triggers.add(each.replace(/^\[|\]$/g, ''))
    return /\[([^\]]+)\]/.exec(list)?.[1] ?? 'none'
  }

  /** false: the kernel refused, and the lamp is dark. */
  blink(beats: readonly Beat[], way: 'timer' | 'pattern'): boolean {
    this.#stopTimer()
    return this.#said(() => this.#begin(beats, way))
  }

  #begin(beats: readonly Beat[], way: 'timer' | 'pattern'): boolean {
    try {
      // Setting a trigger puts the lamp out; setting it anew begins anew.
      if (this.#trigger !== way) this.#write('trigger', way)
      this.#trigger = way
      this.#give(beats, way, 0)
      return true
    } catch (thrown) {
      if (codeOf(thrown) !== 'EINVAL') throw thrown
      this.#still()
      return false
    }
  }

  /** The files of a trigger come with it. */
  #give(beats: readonly Beat[], way: 'timer' | 'pattern', attempt: number): void {
    try {
      for (const [file, value] of settings(beats, way, this.#max)) this.#write(file, value)
    } catch (thrown) {
      if (!isRefused(thrown)) throw thrown
      const wait = RIGHTS_MS[attempt]
      const next =
        wait === undefined ? () => this.#play(beats) : () => this.#quietly(() => this.#give(beats, way, attempt + 1))
      this.#timer = setTimeout(next, wait ?? 0).unref()
    }
  }

  /** The rights did not come: the beats that were promised are given by this process, and none are promised again. */
  #play(beats: readonly Beat[]): void {
    this.#shutTriggers = true
    let index = 0
    const step = (): void => {
      const { on, ms } = beats[index]!
      index = (index + 1) % beats.length
      this.#quietly(() => {
        this.#still()
        this.#level(on)
      })
      this.#timer = setTimeout(step, ms).unref()
    }
    step()
  }

  #stopTimer(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Nobody asked just now, so nobody is told: the next call throws what this one would have. */
  #quietly(act: () => void): void {
    try {
      act()
    } catch {
      this.#stopTimer()
    }
  }

  /** As it was found: its trigger with the settings of `timer` and `pattern`, else its brightness. */
  close(): void {
    this.#stopTimer()
    if (this.#trigger !== undefined) {
      for (const [file, value] of this.#before) this.#quietly(() => this.#write(file, value))
    }
    this.#trigger = undefined
    if (this.#brightness !== undefined) closeSync(this.#brightness)
    this.#brightness = undefined
  }

  #found(): [string, string][] {
    const trigger = this.#has('trigger') ? this.#list() : undefined
    const files = ['multi_intensity', ...(trigger === 'none' || trigger === undefined ? ['brightness'] : [])]
    const settings = trigger === 'timer' ? ['delay_on', 'delay_off'] : trigger === 'pattern' ? ['pattern'] : []
    const kept = [...files, ...settings].filter((file) => this.#has(file))
    return [
      ...(trigger === undefined ? [] : [['trigger', trigger] as [string, string]]),
      ...kept.map((file): [string, string] => [file, this.#read(file)]),
    ]
  }

  /** No trigger drives it. */
  #still(): void {
    if (this.#trigger === 'none') return
    if (this.#has('trigger')) this.#write('trigger', 'none')
    this.#trigger = 'none'
  }

  #open(): number {
    return openSync(join(this.#folder, 'brightness'), 'r+')
  }

  /** One write to a file that stays open; as many digits always, since a plain file of a test would keep the rest. */
  #level(on: boolean): void {
    this.#brightness ??= this.#open()
    const full = String(this.#max)
    writeSync(this.#brightness, on ? full : '0'.repeat(full.length), 0)
  }

  #has(file: string): boolean {
    return existsSync(join(this.#folder, file))
  }

  #read(file: string): string {
    return readFileSync(join(this.#folder, file), 'utf8').trim()
  }

  #write(file: string, value: string): void {
    writeFileSync(join(this.#folder, file), value)
  }

  /** Whatever it throws becomes a sentence; the files are opened anew the next time, as they may be others. */
  #said<T>(act: () => T): T {
    try {
      return act()
    } catch (thrown) {
      if (this.#brightness !== undefined) closeSync(this.#brightness)
      this.#brightness = undefined
      this.#trigger = undefined
      throw this.#fault(thrown)
    }
  }

  #fault(thrown: unknown): Error {
    if (isRefused(thrown)) {
      return noRights(this.text, join(this.#folder, 'brightness'), { root: this.#root, cause: thrown })
    }
    return unavailable(`${this.text} failed (${codeOf(thrown) || String(thrown)}): its driver may be gone`, thrown)
  }
}

/** The trigger's files. `pattern` takes pairs of brightness and milliseconds (sysfs-class-led-trigger-pattern) and fades from
 *  each to the next, so that each level stands twice, the second time for no time at all. */
function settings(beats: readonly Beat[], way: 'timer' | 'pattern', max: number): [file: string, value: string][] {
  if (way === 'pattern') {
    const level = (on: boolean): number => (on ? max : 0)
    return [['pattern', beats.map(({ on, ms }) => `${level(on)} ${ms} ${level(on)} 0`).join(' ')]]
  }
  const msOf = (on: boolean): string => String(beats.find((beat) => beat.on === on)!.ms)
  return [
    ['delay_on', msOf(true)],
    ['delay_off', msOf(false)],
  ]
}
