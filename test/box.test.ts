import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { LedDescription, LedRole, Machine, PartReport } from '../hal/contract.ts'
import { openBoard } from '../hal/linux/board.ts'
import { SimulatedBoard } from '../hal/simulated/board.ts'
import { Box, type BoxOptions } from '../src/box.ts'
import { Reason } from '../src/contracts/batch.ts'
import { ConfigurationFault, Retryable } from '../src/contracts/errors.ts'
import type { BoxFacts, GatewayFacts } from '../src/health/language/facts.ts'
import { Ledger } from '../src/health/ledger.ts'
import { lights } from '../src/health/leds.ts'
import { ManualClock } from '../src/time/manual-clock.ts'
import { HaltingClock } from './health/halting-clock.ts'

const PRESS = { name: 'press', connection: 'bus1', enabled: true, answers: true, text: '', groups: 1 }

const HEALTHY: GatewayFacts = {
  connections: [{ name: 'bus1', state: { condition: 'fine', text: 'open' } }],
  devices: [PRESS],
  sinks: [{ name: 'emqx', state: { condition: 'fine', text: 'connected' }, receipt: null }],
  log: { state: { condition: 'fine', text: '3 % full' }, bytes: 3, quotaBytes: 100 },
}

const MACHINE: Machine = { storages: [], links: [{ name: 'eth0', carrier: true, addresses: 1 }] }

function box(options: Partial<BoxOptions> & { parts?: PartReport[]; clock?: ManualClock } = {}) {
  const { clock = new ManualClock() } = options
  const board = new SimulatedBoard({ clock })
  const { parts, ...given } = options
  if (parts !== undefined) {
    board.describe = () => Promise.resolve({ board: 'simulated', title: '', model: null, kernel: '', parts })
  }
  const said: string[] = []
  const say = (text: string): void => void said.push(text)
  const state = { facts: HEALTHY, bus: 0, net: 0, machine: MACHINE, hangs: false }
  const noted: string[] = []
  const acts: string[] = []
  const one = new Box({
    board,
    clock,
    log: { debug: () => {}, info: say, warn: say, error: say },
    machine: () => (state.hangs ? new Promise(() => {}) : Promise.resolve(state.machine)),
    certificates: async () => [],
    button: { reset: false },
    act: async (gesture) => {
      acts.push(gesture)
      return { begun: true, text: `${gesture} was begun` }
    },
    ...given,
  })
  const start = (): void =>
    one.start({
      facts: () => state.facts,
      traffic: () => ({ bus: state.bus, net: state.net }),
      note: (text) => void noted.push(text),
    })
  const shown = (): string =>
    (['SYS', 'BUS', 'NET', 'HA'] as const).map((role) => board.lamps[role]!.shown[0]!.replace('o', '.')).join('')
  const light = (role: string) => lights({ ...state.facts, ...one.facts() }).find((each) => each.role === role)!
  const hang = (): void => {
    state.hangs = true
  }
  return { clock, board, box: one, hang, start, state, shown, said, noted, acts, light }
}

async function hold({ board, clock }: ReturnType<typeof box>, ms: number): Promise<void> {
  board.key!.press()
  await clock.advance(ms)
  board.key!.release()
  await clock.advance(10)
}

describe('the box', () => {
  it('shows how the gateway is, from the start and within a second of a change', async () => {
    const one = box()
    one.start()
    await one.clock.advance(100)
    expect(one.shown()).toBe('ggg.')
    one.state.facts = { ...HEALTHY, devices: [{ ...PRESS, answers: false, text: 'no reply' }] }
    await one.clock.advance(1000)
    await one.clock.advance(50)
    expect(one.board.lamps.BUS!.told).toContain('red')
    await one.box.stop()
    expect(one.clock.timers).toBe(0)
  })

  it('makes gaps for traffic: south in BUS, north in NET', async () => {
    const one = box()
    one.start()
    await one.clock.advance(210)
    one.state.bus++
    await one.clock.advance(200)
    expect(one.shown()).toBe('g.g.')
    await one.clock.advance(60)
    expect(one.shown()).toBe('ggg.')
    one.state.net++
    await one.clock.advance(140)
    expect(one.shown()).toBe('gg..')
  })

  it('is late where its lamps are not shown any more, or a look at the machine never ends', async () => {
    const clock = new HaltingClock()
    const ledger = new Ledger({ clock })
    const one = box({ clock, health: ledger, board: new SimulatedBoard({ clock }) })
    one.start()
    await clock.advance(10 * 60_000)
    expect(ledger.stalled()).toEqual([])
    one.hang()
    clock.lost.add(1000)
    await clock.advance(61_000)
    expect(ledger.stalled()).toEqual([expect.stringMatching(/^lamps: no progress/)])
    clock.lost.delete(1000)
    await clock.advance(180_000)
    expect(ledger.stalled()).toEqual([expect.stringMatching(/^machine: no progress/)])
    await one.box.stop()
    expect(ledger.standings()).toEqual([])
  })

  it('shows a watchdog that cannot be armed or fed, until it can', async () => {
    const one = box()
    one.start()
    await one.clock.advance(100)
    one.board.watchdog = () => {
      throw new ConfigurationFault('the watchdog /dev/watchdog0 is taken: another program feeds it; stop that')
    }
    expect(() => one.box.watchdog()).toThrow(/is taken/)
    expect(one.light('SYS')).toMatchObject({ colour: 'amber' })
    expect(one.light('SYS').text).toMatch(/watchdog: the watchdog \/dev\/watchdog0 is taken/)
    one.board.watchdog = () => undefined
    expect(one.box.watchdog()).toBeUndefined()
    expect(one.light('SYS').text).toMatch(/the board has none/)
    let broken = false
    const feed = (): void => {
      if (broken) throw new ConfigurationFault('the watchdog could not be fed (EIO)')
    }
    one.board.watchdog = () => ({ timeoutMs: 15_000, feed, disarm: () => {} })
    const watchdog = one.box.watchdog()!
    expect(one.light('SYS').colour).toBe('green')
    broken = true
    expect(() => watchdog.feed()).toThrow(/EIO/)
    expect(one.light('SYS').text).toMatch(/could not be fed/)
    broken = false
    watchdog.feed()
    expect(one.light('SYS').colour).toBe('green')
  })

  it('says what the machine and the board lack', async () => {
    const missing: PartReport = {
      part: 'button',
      name: 'button',
      device: '/dev/gpiochip0',
      state: 'refused',
      text: 'the line GPIO17 is held by gpio-keys: free it',
    }
    const one = box({ parts: [missing, { ...missing, part: 'port', name: 'rs485-2' }] })
    one.start()
    await one.clock.advance(10)
    expect(one.light('SYS')).toMatchObject({ id: 'sys.board', text: expect.stringMatching(/gpio-keys: free it; run/) })
    expect(one.said).toContain('board, button button: the line GPIO17 is held by gpio-keys: free it')
    one.state.machine = { ...MACHINE, celsius: 91 }
    await one.clock.advance(10_000)
    expect(one.light('SYS').id).toBe('sys.hot')
  })

  it('misses a part only when it is not there at a second look: its driver may load late', async () => {
    const missing: PartReport = {
      part: 'watchdog',
      name: 'watchdog',
      device: null,
      state: 'missing',
      text: '/dev/watchdog0 is not there: load its driver',
    }
    const parts = [missing, { ...missing, part: 'led' as const, name: 'BUS', text: 'green ACT not there' }]
    const one = box({ parts })
    one.start()
    await one.clock.advance(9000)
    expect(one.light('SYS').id).toBe('sys.fine')
    parts.shift()
    await one.clock.advance(1100)
    expect(one.light('SYS').text).toContain('green ACT not there')
    expect(one.said).toEqual(['board, led BUS: green ACT not there'])
    await one.box.stop()
    expect(one.clock.timers).toBe(0)
  })

  it('shows an update for as long as it goes on', async () => {
    let updating = true
    const one = box({ isUpdating: () => updating })
    one.start()
    await one.clock.advance(10)
    expect(one.light('SYS').id).toBe('sys.updating')
    updating = false
    expect(one.light('SYS').id).toBe('sys.fine')
  })

  it('goes on without a machine that tells anything', async () => {
    const one = box({ machine: () => Promise.reject(new RangeError('no sysfs')) })
    one.start()
    await one.clock.advance(20_000)
    expect(one.light('SYS').id).toBe('sys.fine')
  })

  it('is found by its lamps running for a minute', async () => {
    const one = box()
    one.start()
    expect(one.box.locate()).toContain('60 s')
    const seen = new Set<string>()
    for (let at = 0; at < 16; at++) {
      seen.add(one.shown())
      await one.clock.advance(100)
    }
    expect([...seen].sort()).toEqual(['...g', '..g.', '.g..', 'g...'])
    await one.clock.advance(60_000)
    expect(one.shown()).toMatch(/^[g.]{3}\.$/)
    one.box.locate()
    one.box.locate(false)
    await one.clock.advance(1000)
    expect(one.box.counters().locates).toBe(2)
  })

  it('tests all lamps in all colours, then shows the lights again', async () => {
    const one = box()
    one.start()
    one.box.testLamps()
    const seen: string[] = []
    for (let second = 0; second < 4; second++) {
      await one.clock.advance(second === 0 ? 500 : 1000)
      seen.push(one.shown())
    }
    expect(seen).toEqual(['gggg', 'aaaa', 'rrrr', '....'])
    await one.clock.advance(5000)
    expect(one.shown()).toMatch(/^[g.]{3}\.$/)
  })
})

describe('the button of the box', () => {
  it('locates after a second', async () => {
    const one = box()
    one.start()
    await hold(one, 500)
    expect(one.box.counters().locates).toBe(0)
    await hold(one, 1500)
    expect(one.box.counters().locates).toBe(1)
    expect(one.noted).toEqual(['button, locate: the lamps run for 60 s'])
  })

  it('sets up after five seconds, shows so, and tells the log what became of it', async () => {
    let done = (_: { begun: boolean; text: string }): void => {}
    const one = box({ act: () => new Promise((resolve) => (done = resolve)) })
    one.start()
    await hold(one, 6000)
    expect(one.light('SYS').id).toBe('sys.set-up')
    done({ begun: false, text: 'there is no set-up on this box' })
    await one.clock.advance(10)
    expect(one.light('SYS').id).toBe('sys.fine')
    expect(one.noted).toEqual(['set-up asked for at the button', 'button, set-up: there is no set-up on this box'])
  })

  it('is tried again while its line is busy, and said once', async () => {
    const one = box()
    const { board } = one
    board.button = () => {
      throw new Retryable('the line KEY is held by gpio-keys: free it', { reason: Reason.noConnection })
    }
    one.start()
    await one.clock.advance(130_000)
    expect(one.said).toEqual(['button: the line KEY is held by gpio-keys: free it'])
    expect(one.light('SYS').id).toBe('sys.board')
    board.button = () => board.key
    await one.clock.advance(60_000)
    expect(one.light('SYS').id).toBe('sys.fine')
    await hold(one, 1500)
    expect(one.box.counters().locates).toBe(1)
  })

  it('shows a set-up that others go on with for a while', async () => {
    const one = box()
    one.start()
    await hold(one, 6000)
    expect(one.acts).toEqual(['set-up'])
    expect(one.light('SYS').id).toBe('sys.set-up')
    await one.clock.advance(20_000)
    expect(one.light('SYS').id).toBe('sys.fine')
    await one.box.stop()
    expect(one.clock.timers).toBe(0)
  })

  it('counts down on the lamps before it resets, and resets without being let go', async () => {
    const one = box({ button: { reset: true } })
    one.start()
    one.board.key!.press()
    const lit: number[] = []
    for (let ms = 0; ms < 14_900; ms += 100) {
      await one.clock.advance(100)
      if (ms >= 10_000) lit.push([...one.shown()].filter((each) => each === 'r').length)
    }
    expect(new Set(lit)).toEqual(new Set([4, 3, 2, 1, 0]))
    expect(one.acts).toEqual([])
    await one.clock.advance(200)
    expect(one.acts).toEqual(['factory-reset'])
    one.board.key!.release()
    await one.clock.advance(1000)
    expect(one.acts).toEqual(['factory-reset'])
  })

  it('does nothing when it is let go in the countdown, and never resets where that is not allowed', async () => {
    const allowed = box({ button: { reset: true } })
    allowed.start()
    await hold(allowed, 14_000)
    expect(allowed.acts).toEqual([])
    const refused = box()
    refused.start()
    await hold(refused, 20_000)
    expect(refused.acts).toEqual(['set-up'])
  })

  it('that is stuck is ignored and said, at the start and later, until it is let go', async () => {
    const one = box()
    one.board.key!.press()
    one.start()
    await one.clock.advance(40_000)
    expect(one.acts).toEqual([])
    expect(one.light('SYS')).toMatchObject({ id: 'sys.board', text: expect.stringContaining('held or stuck') })
    one.board.key!.release()
    await one.clock.advance(10)
    expect(one.light('SYS').id).toBe('sys.fine')
    await hold(one, 31_000)
    expect(one.box.counters().buttonFaults).toBe(2)
    expect(one.acts).toEqual([])
  })
})

describe('the box on Linux, its lamps being files of the kernel', () => {
  it('moves them as the language says when a device dies, and leaves them as they were found', async () => {
    const root = mkdtempSync(join(tmpdir(), 'fieldgate-box-'))
    const at = (lamp: string, file: string): string => join(root, 'sys/class/leds', lamp, file)
    const read = (lamp: string, file: string): string => readFileSync(at(lamp, file), 'utf8').trim()
    const leds: Partial<Record<LedRole, LedDescription>> = {}
    for (const role of ['SYS', 'BUS', 'NET', 'HA'] as const) {
      const description: Record<string, { led: string }> = {}
      for (const colour of ['green', 'red']) {
        const name = `${colour}:${role}`
        description[colour] = { led: name }
        mkdirSync(at(name, '.'), { recursive: true })
        const files = { brightness: '0', max_brightness: '1', trigger: 'none [heartbeat] timer pattern' }
        for (const [file, text] of Object.entries({ ...files, delay_on: '500', delay_off: '500', pattern: '' })) {
          writeFileSync(at(name, file), `${text}\n`)
        }
      }
      leds[role] = description
    }
    const clock = new ManualClock()
    const description = { name: 'test', title: 'test', models: [], ports: {}, leds }
    const board = openBoard({ description, clock, root })
    const one = box({ board, clock })
    one.start()
    await clock.advance(100)
    expect([read('green:SYS', 'trigger'), read('green:SYS', 'brightness')]).toEqual(['none', '1'])
    expect(read('green:HA', 'brightness')).toBe('0')
    // A kernel goes on listing what it has.
    for (const colour of ['green', 'red']) writeFileSync(at(`${colour}:BUS`, 'trigger'), '[none] timer pattern\n')
    const silent = [{ ...PRESS, answers: false, text: 'no reply' }]
    one.state.facts = { ...HEALTHY, devices: silent }
    await clock.advance(1000)
    // The code, one blink and two, is the kernel's from here on; the green lamp is dark.
    expect(read('red:BUS', 'trigger')).toBe('pattern')
    expect(read('red:BUS', 'pattern')).not.toBe('')
    expect(read('green:BUS', 'brightness')).toBe('0')
    one.state.facts = { ...HEALTHY, sinks: [{ ...HEALTHY.sinks[0]!, state: { condition: 'fault', text: 'away' } }] }
    await clock.advance(1000)
    // Amber is both, made by the process.
    expect([read('red:NET', 'brightness'), read('green:NET', 'brightness')]).toEqual(['1', '1'])
    expect(read('red:NET', 'trigger')).toBe('none')
    await one.box.stop()
    expect(read('green:SYS', 'trigger')).toBe('heartbeat')
    rmSync(root, { recursive: true })
  })
})

describe('a box without anything', () => {
  it('has nothing to show and says so', async () => {
    const clock = new ManualClock()
    const board = new SimulatedBoard({ lamps: {} })
    const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
    const one = new Box({
      board,
      clock,
      log,
      machine: async () => MACHINE,
      certificates: async () => [],
      button: { reset: false },
      act: async () => ({ begun: false, text: '' }),
    })
    one.start({ facts: () => HEALTHY, traffic: () => ({ bus: 0, net: 0 }), note: () => {} })
    expect(one.locate()).toBe('this box has no lamps')
    expect(one.testLamps()).toBe('this box has no lamps')
    const facts: BoxFacts = one.facts()
    expect(facts.faults).toEqual([])
    await one.stop()
  })
})
