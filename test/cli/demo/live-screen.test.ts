import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import type { Screen } from '../../../src/cli/command.ts'
import { type Key, LiveScreen, type Seen } from '../../../src/cli/demo/live-screen.ts'
import { width } from '../../../src/console/terminal/text.ts'
import { Reason } from '../../../src/contracts/batch.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'
import { AT, REPORT } from '../../console/terminal/sample-report.ts'

class Keys extends EventEmitter {
  raw = false
  setRawMode(raw: boolean): void {
    this.raw = raw
  }
  resume(): void {}
  pause(): void {}
}

function stage() {
  const written: string[] = []
  const screen: Screen = {
    print: (text) => written.push(text),
    raw: (text) => written.push(text),
    document: () => {},
    complain: () => {},
    isTerminal: true,
    colour: true,
    unicode: true,
    columns: 80,
    rows: 24,
  }
  const value = { device: 'press', group: 'cycle', unit: 'mm', quality: 'good', reason: Reason.good, at: AT, ageMs: 0 }
  const show: Seen = {
    report: () => REPORT,
    values: () => Array.from({ length: 30 }, (_, at) => ({ ...value, tag: `tag-${at}`, value: at, stored: true })),
    sequences: () => [{ device: 'press', group: 'cycle', handedOut: 1200, missing: 7, repeated: 1 }],
    broker: { plugged: false },
    plant: { conveyor: { powered: true }, line: { plugged: true } },
  }
  const clock = new ManualClock()
  const keyboard = new Keys()
  const pressed: Key[] = []
  const live = new LiveScreen({
    show,
    screen,
    clock,
    keyboard,
    press: (key) => pressed.push(key),
    said: () => undefined,
  })
  return { written, clock, keyboard, pressed, live }
}

describe('the live screen', () => {
  it('draws frames that fit, with what was done to the plant and what its ledger says', async () => {
    const { written, clock, live } = stage()
    await clock.advance(300)
    const frame = written.at(-1)!
    expect(frame.startsWith('\x1b[H')).toBe(true)
    const lines = frame.replaceAll('\x1b[K', '').replace('\x1b[H', '').split('\r\n')
    expect(lines).toHaveLength(24)
    for (const line of lines) expect(width(line)).toBeLessThanOrEqual(80)
    expect(frame).toContain('CABLE PULLED · numbers given 1,200, on the way 7, repeated 1')
    live.close()
  })

  it('hands on its keys, in either case, and takes Ctrl-C as quitting', () => {
    const { keyboard, pressed, live } = stage()
    keyboard.emit('data', Buffer.from('nDx\x1b[Bu\x03'))
    expect(pressed).toEqual(['n', 'd', 'u', 'q'])
    live.close()
  })

  it('scrolls through the values', async () => {
    const { keyboard, written, clock, live } = stage()
    await clock.advance(150)
    expect(written.at(-1)).toContain('press/cycle/tag-0 ')
    keyboard.emit('data', Buffer.from('\x1b[B\x1b[B'))
    await clock.advance(150)
    expect(written.at(-1)).not.toContain('press/cycle/tag-0 ')
    expect(written.at(-1)).toContain('press/cycle/tag-2 ')
    live.close()
  })

  it('leaves the terminal as it found it, and no timer', () => {
    const { keyboard, written, clock, live } = stage()
    expect(keyboard.raw).toBe(true)
    const listeners = process.listenerCount('exit')
    live.close()
    expect(keyboard.raw).toBe(false)
    expect(written.at(-1)).toBe('\x1b[?25h\x1b[?1049l')
    expect(clock.timers).toBe(0)
    expect(process.listenerCount('exit')).toBe(listeners - 1)
  })
})
