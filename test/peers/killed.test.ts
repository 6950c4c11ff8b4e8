/** A gateway killed with SIGKILL at any moment and started again loses nothing that was committed and repeats at most what was in
 *  flight. The truth is the sequence number that the device counts, and the ledger of the receiver. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { ended, freePort, gateway, linesOf, service, sleep, started, until } from './processes.ts'

const PEERS = ['/usr/sbin/mosquitto', '/usr/bin/mosquitto_sub']
const absent = PEERS.filter((peer) => !existsSync(peer))
if (absent.length > 0) console.error(`SKIPPED: the gateway that is killed, for want of ${absent.join(', ')}`)

const KILLS = Number(process.env.FIELDGATE_KILLS ?? 50)
const UNITS = 3
const EVERY_MS = 20
/** Committed at the latest this long after it was read. */
const COMMIT_MS = 200

/** mulberry32: the moments of the kills repeat with the seed. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

describe.skipIf(absent.length > 0)(`a gateway killed ${KILLS} times`, () => {
  const children: ChildProcess[] = []
  let folder = ''
  const keep = async (child: Promise<ChildProcess>): Promise<ChildProcess> => {
    const one = await child
    children.push(one)
    return one
  }
  afterEach(async () => {
    for (const child of children.splice(0).reverse()) await ended(child)
    rmSync(folder, { recursive: true, force: true })
  })

  it('loses nothing that was committed, keeps each device’s order, and repeats at most what was in flight', async () => {
    folder = mkdtempSync(join(tmpdir(), 'fieldgate-killed-'))
    const [devicePort, brokerPort] = [await freePort(), await freePort()]
    const conf = join(folder, 'mosquitto.conf')
    writeFileSync(conf, `listener ${brokerPort} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n`)
    await keep(started('/usr/sbin/mosquitto', ['-c', conf, '-v'], /running/))
    const observer = await keep(
      started(
        '/usr/bin/stdbuf',
        ['-oL', '/usr/bin/mosquitto_sub', '-p', String(brokerPort), '-t', '/neuron/#', '-q', '1', '-d'],
        /SUBACK/,
      ),
    )
    const heard = linesOf(observer)
    const handedOut = join(folder, 'ledger')
    const device = join(import.meta.dirname, 'counting-device.ts')
    await keep(started(process.execPath, [device, String(devicePort), handedOut], /ready/))
    const file = join(folder, 'gateway.yaml')
    const devices = Array.from(
      { length: UNITS },
      (_, n) =>
        `  d${n + 1}: { connection: plc, unitId: ${n + 1}, groups: { g: { every: ${EVERY_MS}ms, tags: { n: { address: "40001", type: uint32 } } } } }`,
    )
    writeFileSync(
      file,
      `connections: { plc: { driver: modbus-tcp, host: 127.0.0.1, port: ${devicePort} } }
devices:
${devices.join('\n')}
sinks: { s: { type: mqtt, url: "mqtt://127.0.0.1:${brokerPort}", from: oldest } }
log: { path: ${join(folder, 'log')}, commitEvery: ${COMMIT_MS}ms }
`,
    )
    /** By unit: how many numbers the device had handed out when a kill came. */
    const atKill: number[][] = []
    const ledger = (): number[] => {
      const last = new Array<number>(UNITS + 1).fill(0)
      for (const line of readFileSync(handedOut, 'utf8').split('\n')) {
        const [unit, count] = line.split(' ').map(Number)
        if (count !== undefined) last[unit!] = count
      }
      return last
    }
    const random = randomFrom(20260101)
    const [command, words, env] = service('run', '--config', file)
    for (let kill = 0; kill < KILLS; kill++) {
      // From "not yet open" to well into live flow.
      const child = spawn(command, words, { stdio: 'ignore', env: { ...process.env, ...env } })
      const gone = new Promise((resolve) => child.once('exit', resolve))
      await sleep(250 + random() * 900)
      child.kill('SIGKILL')
      await gone
      atKill.push(ledger())
    }
    const last = await keep(gateway(file))
    await sleep(1000)
    const end = ledger()
    await ended(last)
    expect(last.exitCode).toBe(0)

    const received = (): number[][] => {
      const units: number[][] = Array.from({ length: UNITS + 1 }, () => [])
      for (const line of heard) {
        if (!line.startsWith('{')) continue
        const { node, values } = JSON.parse(line) as { node: string; values: { n?: number } }
        if (values.n !== undefined) units[Number(node.slice(1))]!.push(values.n)
      }
      return units
    }
    await until('the last numbers', () =>
      received().every((numbers, unit) => unit === 0 || numbers.includes(end[unit]!)),
    )

    // What a kill may cost: numbers read but not yet committed, which is what was handed out in the last commit interval and
    // the poll on the wire.
    const uncommitted = Math.ceil(COMMIT_MS / EVERY_MS) * 2 + 2
    let missing = 0
    let repeats = 0
    for (let unit = 1; unit <= UNITS; unit++) {
      const numbers = received()[unit]!
      const got = new Set(numbers)
      for (let n = 1; n <= end[unit]!; n++) {
        if (got.has(n)) continue
        missing++
        const excused = atKill.some((counts) => n <= counts[unit]! && n > counts[unit]! - uncommitted)
        expect(excused, `unit ${unit} number ${n} is missing and was not in flight at a kill`).toBe(true)
      }
      // A hole is always the end of a life: within one life numbers run without a gap.
      let highest = 0
      let repeated = 0
      for (const n of numbers) {
        if (n <= highest) repeated++
        highest = Math.max(highest, n)
      }
      expect(numbers.length).toBeGreaterThan(KILLS)
      // Confirmations are grouped for one commit interval: a kill repeats what was confirmed within it, and one call.
      expect(repeated).toBeLessThanOrEqual(KILLS * 2 * uncommitted)
      repeats += repeated
      // The order of first arrivals never turns.
      const first = numbers.filter((n, at) => numbers.indexOf(n) === at)
      expect(first).toEqual([...first].sort((a, b) => a - b))
    }
    console.log(
      `killed ${KILLS} times: ${end.slice(1).reduce((a, b) => a + b)} numbers handed out, ${missing} uncommitted at a kill, ${repeats} repeated, 0 lost`,
    )
  }, 300_000)
})
