/** Lines, edges, lamps and the watchdog on a real kernel: run as root in the guest that image/virt.dtso describes. What is asked
 *  for is looked at from the other side, the simulated chip. Ends with 0 when everything held; `--bite` ends by a reset. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { openButton } from '../../../hal/linux/gpio/button.ts'
import { gpioChips } from '../../../hal/linux/gpio/chips.ts'
import { LineRequest } from '../../../hal/linux/gpio/line.ts'
import { openOutput } from '../../../hal/linux/gpio/output.ts'
import { openSysfsOutput } from '../../../hal/linux/gpio/sysfs.ts'
import { openLed } from '../../../hal/linux/lamps/leds.ts'
import { openWatchdog } from '../../../hal/linux/watchdog/watchdog.ts'

const CHIP = 'fieldgate-sim'
const BUTTON = { chip: CHIP, line: 'button', activeLow: true } as const
const NOBODY = 65_534
const chipFolder = (device: string): string => {
  const above = `/sys/devices/platform/${device}`
  return `${above}/${readdirSync(above).find((name) => /^gpiochip\d+$/.test(name))}`
}
const folder = chipFolder('fieldgate-sim')
const level = (line: number): number => Number(readFileSync(`${folder}/sim_gpio${line}/value`, 'utf8'))
const pull = (line: number, way: 'up' | 'down'): void => writeFileSync(`${folder}/sim_gpio${line}/pull`, `pull-${way}`)
/** Levels of the green line and the red one. */
const COLOURS = [
  ['green', '10'],
  ['amber', '11'],
  ['red', '01'],
  ['off', '00'],
] as const
const lamp = (name: string, file: string): string => readFileSync(`/sys/class/leds/${name}/${file}`, 'utf8').trim()
/** A lamp's level is set by a worker of the kernel's, a little after the write. */
async function settles(look: () => unknown, wanted: unknown): Promise<void> {
  for (let left = 200; left > 0 && look() !== wanted; left -= 1) await sleep(5)
  assert.equal(look(), wanted)
}
const message = (act: () => unknown): string => {
  try {
    act()
  } catch (thrown) {
    return (thrown as Error).message
  }
  return 'nothing was thrown'
}

/** How long each level of a line lasted; looked at by another process, so that this one may hang. */
async function watched(
  line: number,
  ms: number,
  chip = folder,
): Promise<readonly (readonly [level: number, ms: number])[]> {
  const program = `
    const { openSync, readSync } = require('fs'), fd = openSync('${chip}/sim_gpio${line}/value'), byte = Buffer.alloc(1)
    const out = [], until = performance.now() + ${ms}
    let last, since
    for (;;) {
      const now = performance.now()
      readSync(fd, byte, 0, 1, 0)
      if (byte[0] !== last) { if (last !== undefined) out.push([last - 48, Math.round(now - since)]); last = byte[0]; since = now }
      if (now > until) break
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
    }
    console.log(JSON.stringify(out))`
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  for await (const chunk of child.stdout) said += chunk
  // The first began before it was looked at.
  return (JSON.parse(said) as [number, number][]).slice(1)
}

/** Each about as long as asked for: a machine that is emulated is late, never early by much. */
function near(seen: readonly (readonly [number, number])[], wanted: readonly (readonly [number, number])[]): void {
  assert.ok(seen.length >= wanted.length, `too little was seen: ${JSON.stringify(seen)}`)
  const offset = seen.findIndex((_, at) =>
    wanted.every(([lit, ms], index) => {
      const step = seen[at + index]
      return step !== undefined && step[0] === lit && Math.abs(step[1] - ms) <= 60 + ms / 5
    }),
  )
  assert.notEqual(offset, -1, `wanted ${JSON.stringify(wanted)}, saw ${JSON.stringify(seen)}`)
}

const rows: [what: string, check: () => unknown][] = [
  [
    'the chip and its lines are found',
    () => {
      const chip = gpioChips().chips.find(({ label }) => label === CHIP)
      assert.equal(chip?.lines, 16)
      assert.match(
        message(() => LineRequest.output({ chip: 'pinctrl-rp1', line: 0 })),
        /this box has .*fieldgate-sim/,
      )
      assert.match(
        message(() => LineRequest.output({ chip: CHIP, line: 16 })),
        /has no line 16: it has 16, 0 to 15/,
      )
    },
  ],
  [
    'a line that the kernel uses is busy, and says by whom',
    () => {
      const said = message(() => LineRequest.output({ chip: CHIP, line: 'SYS red' }))
      assert.match(said, /^line 1 \(SYS red\) of fieldgate-sim is used by "sys:?-?red"/)
      return said
    },
  ],
  [
    'an output moves the pin, active low the other way, and is given back as the input it was',
    () => {
      for (const activeLow of [false, true]) {
        const line = openOutput({ chip: CHIP, line: 12, activeLow })
        assert.equal(level(12), activeLow ? 1 : 0)
        line.set(true)
        assert.equal(level(12), activeLow ? 0 : 1)
        assert.match(
          message(() => openOutput({ chip: CHIP, line: 12 })),
          /is used by "fieldgate"/,
        )
        line.close()
        pull(12, 'up')
        const input = LineRequest.input({ chip: CHIP, line: 12 })
        assert.equal(input.get(), true)
        input.close()
        pull(12, 'down')
      }
    },
  ],
  [
    'setting a line costs microseconds',
    () => {
      const line = LineRequest.output({ chip: CHIP, line: 12 })
      const from = performance.now()
      for (let count = 0; count < 2000; count += 1) line.set(count % 2 === 0)
      line.close()
      return `${(((performance.now() - from) * 1000) / 2000).toFixed(1)} µs each`
    },
  ],
  [
    'a line is free again when its process is killed',
    async () => {
      const program = `import('${new URL('../../../hal/linux/gpio/line.ts', import.meta.url)}').then(({ LineRequest }) => { globalThis.line = LineRequest.output({ chip: '${CHIP}', line: 13 }); console.log('held'); setInterval(() => {}, 1000) })`
      const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
      await new Promise((resolve, reject) => child.stdout.once('data', resolve).once('end', reject))
      assert.match(
        message(() => openOutput({ chip: CHIP, line: 13 })),
        /is used by "fieldgate"/,
      )
      child.kill('SIGKILL')
      await new Promise((resolve) => child.once('exit', resolve))
      openOutput({ chip: CHIP, line: 13 }).close()
    },
  ],
  [
    'the button tells of edges with the kernel’s time, and of no chatter',
    async () => {
      pull(8, 'up')
      const button = openButton({ line: { ...BUTTON, debounceMs: 40 } })
      const heard: [boolean, number][] = []
      button.onChange((pressed, at) => heard.push([pressed, at]))
      assert.equal(button.pressed, false)
      const from = Number(process.hrtime.bigint()) / 1e6
      pull(8, 'down')
      // The loop hangs meanwhile: the kernel keeps the edges and their times.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
      pull(8, 'up')
      await sleep(300)
      const late = heard.map(([pressed, at]) => [pressed, Math.round(at - from)])
      assert.deepEqual(
        heard.map(([pressed]) => pressed),
        [true, false],
      )
      assert.ok(heard[0]![1] - from >= 35 && heard[0]![1] - from < 290, `pressed at ${JSON.stringify(late)}`)
      assert.ok(heard[1]![1] - heard[0]![1] >= 200, `released at ${JSON.stringify(late)}`)
      execFileSync('sh', [
        '-c',
        `for n in 1 2 3 4 5; do echo pull-down >${folder}/sim_gpio8/pull; echo pull-up >${folder}/sim_gpio8/pull; done`,
      ])
      await sleep(300)
      assert.equal(heard.length, 2)
      button.close()
      return `edges ${JSON.stringify(late)} ms after the pull`
    },
  ],
  [
    'a lamp of two colours moves its lines, in well under a millisecond',
    async () => {
      const led = openLed({ role: 'SYS', description: { green: { led: 'sys:green' }, red: { led: 'sys:red' } } })
      for (const [colour, levels] of COLOURS) {
        led.show(colour)
        await settles(() => `${level(0)}${level(1)}`, levels)
      }
      const costs: number[] = []
      for (let count = 0; count < 1000; count += 1) {
        const from = performance.now()
        led.show(count % 2 === 0 ? 'amber' : 'off')
        costs.push(performance.now() - from)
      }
      led.close()
      costs.sort((a, b) => a - b)
      return `both lines: median ${costs[500]!.toFixed(3)} ms, 99 % ${costs[990]!.toFixed(3)} ms, worst ${costs[999]!.toFixed(3)} ms`
    },
  ],
  [
    'the kernel blinks by its timer while this process hangs',
    async () => {
      const led = openLed({ role: 'SYS', description: { red: { led: 'sys:red' } } })
      assert.equal(
        led.blink([
          { colour: 'red', ms: 120 },
          { colour: 'off', ms: 280 },
        ]),
        true,
      )
      const seeing = watched(1, 2500)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000)
      near(await seeing, [
        [1, 120],
        [0, 280],
        [1, 120],
        [0, 280],
      ])
      led.show('red')
      await settles(() => level(1), 1)
      assert.match(lamp('sys:red', 'trigger'), /\[none\]/)
      led.close()
    },
  ],
  [
    'the kernel blinks a double blink by its pattern, without fading',
    async () => {
      const led = openLed({ role: 'SYS', description: { red: { led: 'sys:red' } } })
      const steps = [120, 200, 120, 900].map((ms, at) => ({
        colour: at % 2 === 0 ? ('red' as const) : ('off' as const),
        ms,
      }))
      assert.equal(led.blink(steps), true)
      near(await watched(1, 4000), [
        [1, 120],
        [0, 200],
        [1, 120],
        [0, 900],
      ])
      led.close()
    },
  ],
  [
    'red and green take turns',
    async () => {
      const led = openLed({ role: 'SYS', description: { red: { led: 'sys:red' }, green: { led: 'sys:green' } } })
      assert.equal(
        led.blink([
          { colour: 'red', ms: 200 },
          { colour: 'green', ms: 300 },
        ]),
        true,
      )
      const [green, red] = await Promise.all([watched(0, 2500), watched(1, 2500)])
      near(red, [
        [1, 200],
        [0, 300],
      ])
      near(green, [
        [0, 200],
        [1, 300],
      ])
      led.close()
    },
  ],
  [
    'a lamp is given back with the trigger and the times it had',
    () => {
      writeFileSync('/sys/class/leds/bus:red/trigger', 'timer')
      writeFileSync('/sys/class/leds/bus:red/delay_on', '70')
      writeFileSync('/sys/class/leds/bus:red/delay_off', '930')
      const led = openLed({ role: 'BUS', description: { red: { led: 'bus:red' } } })
      led.show('red')
      assert.match(lamp('bus:red', 'trigger'), /\[none\]/)
      led.close()
      assert.match(lamp('bus:red', 'trigger'), /\[timer\]/)
      assert.deepEqual([lamp('bus:red', 'delay_on'), lamp('bus:red', 'delay_off')], ['70', '930'])
      writeFileSync('/sys/class/leds/bus:red/trigger', 'none')
    },
  ],
  [
    'whoever has no rights is told how to get them',
    () => {
      process.seteuid!(NOBODY)
      const said = [
        message(() => LineRequest.output({ chip: CHIP, line: 12 })),
        message(() => openLed({ role: 'SYS', description: { red: { led: 'sys:red' } } })),
        message(() => openWatchdog({ device: '/dev/watchdog', timeoutMs: 15_000 })),
      ]
      process.seteuid!(0)
      for (const text of said) assert.match(text, /may not be (used|opened) by user nobody/)
      return said.join('\n      ')
    },
  ],
  [
    'a trigger’s files that udev gives away a moment later are waited for',
    async () => {
      for (const file of ['brightness', 'trigger']) chmodSync(`/sys/class/leds/net:red/${file}`, 0o666)
      // What the package's udev rule does when the kernel tells of the trigger.
      const rule = 'until [ -e delay_on ]; do sleep 0.02; done; sleep 0.1; chmod 666 delay_on delay_off'
      const udev = spawn('sh', ['-c', rule], { cwd: '/sys/class/leds/net:red', stdio: 'inherit' })
      process.seteuid!(NOBODY)
      const led = openLed({ role: 'NET', description: { red: { led: 'net:red' } } })
      const blinks = led.blink([
        { colour: 'red', ms: 100 },
        { colour: 'off', ms: 150 },
      ])
      process.seteuid!(0)
      assert.equal(blinks, true)
      process.seteuid!(NOBODY)
      await new Promise((resolve) => udev.once('exit', resolve))
      await sleep(900)
      process.seteuid!(0)
      assert.deepEqual([lamp('net:red', 'delay_on'), lamp('net:red', 'delay_off')], ['100', '150'])
      led.close()
    },
  ],
]
rows.push([
  'where they never come the process keeps its word, and promises no more',
  async () => {
    for (const file of ['brightness', 'trigger']) chmodSync(`/sys/class/leds/ha:red/${file}`, 0o666)
    const steps = [
      { colour: 'red', ms: 150 },
      { colour: 'off', ms: 250 },
    ] as const
    process.seteuid!(NOBODY)
    try {
      const led = openLed({ role: 'HA', description: { red: { led: 'ha:red' } } })
      assert.equal(led.blink(steps), true)
      await sleep(2000)
      near(await watched(7, 2500), [
        [1, 150],
        [0, 250],
        [1, 150],
      ])
      assert.equal(led.blink(steps), false)
      led.show('red')
      await settles(() => level(7), 1)
      led.close()
    } finally {
      process.seteuid!(0)
    }
  },
])
rows.push([
  'a lamp that mixes shows what its colours make together, and blinks in it',
  async () => {
    const name = readdirSync('/sys/class/leds').find((each) => existsSync(`/sys/class/leds/${each}/multi_intensity`))
    assert.ok(name !== undefined, 'the kernel made no lamp that mixes')
    const bank = chipFolder('mixing-sim')
    const seen = (): string => [0, 1].map((line) => readFileSync(`${bank}/sim_gpio${line}/value`, 'utf8')[0]).join('')
    const led = openLed({ role: 'SYS', description: { red: { led: name }, green: { led: name } } })
    // Red is the first of its lines.
    for (const [colour, levels] of COLOURS) {
      led.show(colour)
      await settles(() => `${seen()[1]}${seen()[0]}`, levels)
    }
    const steps = [
      { colour: 'red', ms: 150 },
      { colour: 'off', ms: 250 },
    ] as const
    assert.equal(led.blink(steps), true)
    near(await watched(0, 2500, bank), [
      [1, 150],
      [0, 250],
      [1, 150],
    ])
    led.close()
    return name
  },
])
rows.push([
  'a line is switched through the files of old kernels too',
  () => {
    for (const chip of [CHIP, folder.split('/').at(-1)!]) {
      for (const activeLow of [false, true]) {
        const line = openSysfsOutput({ chip, line: 14, activeLow })
        assert.equal(level(14), activeLow ? 1 : 0)
        line.set(true)
        assert.equal(level(14), activeLow ? 0 : 1)
        assert.match(
          message(() => openOutput({ chip: CHIP, line: 14 })),
          /is used by "sysfs"/,
        )
        line.close()
      }
    }
    const busy = message(() => openSysfsOutput({ chip: CHIP, line: 1 }))
    assert.match(busy, /^line 1 of fieldgate-sim is used by the kernel/)
    openOutput({ chip: CHIP, line: 14 }).close()
    return busy
  },
])
rows.push([
  'a chip that is unplugged leaves a sentence and a quiet loop behind',
  async () => {
    const config = '/sys/kernel/config'
    if (!existsSync(`${config}/gpio-sim`)) execFileSync('mount', ['-t', 'configfs', 'configfs', config])
    mkdirSync(`${config}/gpio-sim/gone/bank`, { recursive: true })
    writeFileSync(`${config}/gpio-sim/gone/bank/num_lines`, '4')
    writeFileSync(`${config}/gpio-sim/gone/bank/label`, 'gone-sim')
    writeFileSync(`${config}/gpio-sim/gone/live`, '1')
    const line = openOutput({ chip: 'gone-sim', line: 0 })
    const button = openButton({ line: { chip: 'gone-sim', line: 1 } })
    writeFileSync(`${config}/gpio-sim/gone/live`, '0')
    const before = process.cpuUsage()
    await sleep(1000)
    const { user, system } = process.cpuUsage(before)
    assert.ok(user + system < 300_000, `the loop spins: ${(user + system) / 1000} ms of a second`)
    const said = message(() => line.set(true))
    assert.match(said, /^line 0 of gone-sim failed \(ENODEV\): its chip may be unplugged/)
    line.close()
    button.close()
    rmdirSync(`${config}/gpio-sim/gone/bank`)
    rmdirSync(`${config}/gpio-sim/gone`)
    return said
  },
])
const watchdog = { device: '/dev/watchdog', timeoutMs: 4000 }
rows.push([
  'the watchdog is armed, fed, taken, and disarmed by its letter',
  async () => {
    const armed = openWatchdog(watchdog)
    const state = (): string => readFileSync('/sys/class/watchdog/watchdog0/state', 'utf8').trim()
    assert.equal(state(), 'active')
    const taken = message(() => openWatchdog(watchdog))
    assert.match(taken, /is taken: (another program|systemd) feeds it/)
    for (let count = 0; count < 6; count += 1) {
      await sleep(1000)
      armed.feed()
    }
    armed.disarm()
    assert.equal(state(), 'inactive')
    await sleep(armed.timeoutMs + 2000)
    return `${armed.identity}, ${armed.timeoutMs} ms, cause of this boot: ${armed.causedBoot}\n      ${taken}`
  },
])

/** What is asked takes hundredths of a second: on a machine that others load, one of three times is enough. */
async function tried(check: () => unknown): Promise<string | undefined> {
  for (let left = 2; ; left -= 1) {
    try {
      return (await check()) as string | undefined
    } catch (thrown) {
      if (left === 0) throw thrown
    }
  }
}

let failed = 0
for (const [what, check] of rows) {
  try {
    const more = await tried(check)
    console.log(`held    ${what}${more === undefined ? '' : `\n      ${more}`}`)
  } catch (thrown) {
    failed += 1
    console.log(`FAILED  ${what}\n      ${thrown instanceof Error ? thrown.message : thrown}`)
  }
}
console.log(failed === 0 ? `all ${rows.length} held` : `${failed} of ${rows.length} failed`)
if (failed === 0 && process.argv.includes('--bite')) {
  openWatchdog(watchdog)
  console.log('the watchdog is armed and no longer fed')
  await sleep(60_000)
  console.log('FAILED  the watchdog did not reset the box')
  failed = 1
}
process.exitCode = failed === 0 ? 0 : 1
