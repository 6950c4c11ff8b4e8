/** One frame and its transmitter, on a chip whose time is counted. */
import { describe, expect, test } from 'vitest'
import { type Pace, sendFrame, type Transmitter } from '../../../../hal/linux/serial/sending.ts'

const PACE: Pace = { byteMs: 1, delayBeforeMs: 0, delayAfterMs: 0 }

/** A chip that needs `byteMs` a byte from the moment it is given one. */
class Chip implements Transmitter {
  readonly events: [string, number][] = []
  readonly told: boolean
  readonly space: number
  now_ = 0
  /** When all that was given has left. */
  leavesAt = 0
  stuck = false

  constructor(options: { told?: boolean; space?: number } = {}) {
    this.told = options.told ?? true
    this.space = options.space ?? Number.POSITIVE_INFINITY
  }

  on(): void {
    this.events.push(['on', this.now_])
  }
  off(): void {
    this.events.push(['off', this.now_])
  }
  write(bytes: Uint8Array): number {
    const waiting = Math.max(0, this.leavesAt - this.now_)
    const taken = this.stuck ? 0 : Math.floor(Math.min(bytes.length, this.space - waiting))
    if (taken <= 0) return 0
    this.leavesAt = Math.max(this.leavesAt, this.now_) + taken
    this.events.push([`write ${taken}`, this.now_])
    return taken
  }
  queued(): number {
    return Math.max(0, Math.ceil(this.leavesAt - this.now_) - 1)
  }
  empty(): boolean | undefined {
    return this.told ? this.now_ >= this.leavesAt : undefined
  }
  now(): number {
    return this.now_
  }
  sleep(ms: number): void {
    expect(ms).toBeGreaterThan(0)
    this.now_ += ms
  }
}

const frame = (length: number): Uint8Array => new Uint8Array(length).fill(0x55)

describe('the transmitter', () => {
  test('is on before the first bit and off once the last has left', () => {
    const chip = new Chip()
    expect(sendFrame(frame(8), PACE, chip)).toBe(true)
    expect(chip.events).toEqual([
      ['on', 0],
      ['write 8', 0],
      ['off', 8],
    ])
  })

  test('has its time before and after', () => {
    const chip = new Chip()
    sendFrame(frame(8), { byteMs: 1, delayBeforeMs: 3, delayAfterMs: 2 }, chip)
    expect(chip.events).toEqual([
      ['on', 0],
      ['write 8', 3],
      ['off', 13],
    ])
  })

  test('waits for a chip that is slower than its rate, and is off at most a tenth of a millisecond later', () => {
    const chip = new Chip()
    const write = chip.write.bind(chip)
    chip.write = (bytes) => {
      const taken = write(bytes)
      chip.leavesAt += 0.55
      return taken
    }
    sendFrame(frame(8), PACE, chip)
    const [, at] = chip.events.at(-1)!
    expect(at).toBeGreaterThanOrEqual(8.55)
    expect(at).toBeLessThanOrEqual(8.66)
  })

  test('of a driver that does not tell stays on a character longer', () => {
    const chip = new Chip({ told: false })
    sendFrame(frame(8), PACE, chip)
    const [, at] = chip.events.at(-1)!
    expect(at).toBeGreaterThanOrEqual(9)
    expect(at).toBeLessThan(9.2)
  })

  test('a buffer that is full is filled again as it empties', () => {
    const chip = new Chip({ space: 5 })
    expect(sendFrame(frame(12), PACE, chip)).toBe(true)
    const [, at] = chip.events.at(-1)!
    expect(at).toBeGreaterThanOrEqual(12)
    expect(at).toBeLessThan(12.2)
  })

  test('is off again when a chip takes nothing, or never gets rid of it', () => {
    const deaf = new Chip()
    deaf.stuck = true
    expect(sendFrame(frame(8), PACE, deaf)).toBe(false)
    expect(deaf.events.map(([name]) => name)).toEqual(['on', 'off'])
    const full = new Chip()
    full.empty = () => false
    expect(sendFrame(frame(8), PACE, full)).toBe(false)
    expect(full.events.at(-1)![0]).toBe('off')
    expect(full.now_).toBeLessThan(600)
  })

  test('is off again when the port goes away under it', () => {
    const chip = new Chip()
    chip.queued = () => {
      throw new RangeError('EIO')
    }
    expect(() => sendFrame(frame(8), PACE, chip)).toThrow('EIO')
    expect(chip.events.at(-1)![0]).toBe('off')
  })
})
