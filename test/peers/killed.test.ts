/** A gateway killed with SIGKILL at any moment and started again loses nothing that was committed and repeats at most what was in
 *  flight: one commit interval and one call. The truth is the sequence number that the device counts, and the ledger of the
 *  receiver; what the log holds after a kill is read as a cross-check of which numbers were committed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { seeded } from '../../hal/simulated/random.ts'
import { openArchive } from '../../src/log/archive.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { expectAudited } from '../log/audited.ts'
import { Said } from '../log/batches.ts'
import { Link } from './link.ts'
import { absentMosquitto, mosquitto, observer } from './mosquitto.ts'
import { ended, freePort, service, sleep, started, until } from './processes.ts'
import { keep, newFolder, stopAfterwards } from './workshop.ts'

if (absentMosquitto.length > 0)
  console.error(`SKIPPED: the gateway that is killed, for want of ${absentMosquitto.join(', ')}`)

const KILLS = Number(process.env.FIELDGATE_KILLS ?? 200)
/** Of these, so many in a hundred are of one half while the other goes on. */
const OF_HALVES = 20
const UNITS = 3
const EVERY_MS = 10
const COMMIT_MS = 200
/** What reading, storing and one call take beside the commit interval, on a machine that has other things to do, too. */
const BESIDE_MS = 1000
/** How long after a break the receiver may still be busy with what came before it. */
const LAG_MS = 2000
/** Each so many kills the link to the broker is away for a stretch, so that what follows is killed in the middle of a replay. */
const OUTAGE_EACH = 20

type Process = 'gateway' | 'field' | 'uplink'

/** One of the gateway's processes: spawned, and not waited for. */
class Life {
  readonly child: ChildProcess
  readonly #gone: Promise<unknown>

  constructor(name: Process, file: string) {
    const [command, words, env] = service('run', ...(name === 'gateway' ? [] : ['--side', name]), '--config', file)
    this.child = spawn(command, words, { stdio: 'ignore', env: { ...process.env, ...env } })
    this.#gone = new Promise((resolve) => this.child.once('exit', resolve))
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.#gone
  }
}

interface Arrival {
  readonly number: number
  readonly historical: boolean
  /** Wall time, ms. */
  readonly at: number
}

/** What the device handed out: unit, number, wall time. */
function handedOutIn(ledger: string): Map<number, number>[] {
  const units = Array.from({ length: UNITS + 1 }, () => new Map<number, number>())
  for (const line of readFileSync(ledger, 'utf8').split('\n')) {
    const [unit, number, at] = line.split(' ').map(Number)
    if (at !== undefined) units[unit!]!.set(number!, at)
  }
  return units
}

/** The numbers in the log, by unit, and where its segments begin. */
async function committedIn(path: string, into: readonly Set<number>[], segments: Set<number>): Promise<void> {
  if (!existsSync(join(path, 'segments'))) return
  const archive = openArchive({ path, clock: new SystemClock(), log: new Said() })
  for (let seq = 1; ; ) {
    const entries = archive.reader.read({ epoch: 0, seq }, { entries: 500, bytes: 2 ** 16 })
    if (entries.length === 0) break
    for (const entry of entries) {
      if (entry.kind !== 'batch' || entry.batch.quality !== null) continue
      into[Number(entry.batch.group.device.slice(1))]!.add(entry.batch.numbers[0]!)
    }
    seq = entries.at(-1)!.position.seq + 1
  }
  for (const { base } of archive.segments) segments.add(base.seq)
  expect(archive.damages).toEqual([])
  await archive.close()
  await expectAudited(path)
}

/** The receiver's ledger, by unit, in the order of their coming. Each line is read once: who looks often must not hold up the
 *  link, which goes through this process. */
class Received {
  readonly arrivals: Arrival[][] = Array.from({ length: UNITS + 1 }, () => [])
  readonly numbers: Set<number>[] = Array.from({ length: UNITS + 1 }, () => new Set())
  readonly #lines: readonly string[]
  #next = 0

  /** `%U %t %P %p` */
  constructor(lines: readonly string[]) {
    this.#lines = lines
  }

  look(): this {
    for (; this.#next < this.#lines.length; this.#next++) {
      const [, seconds, about, text] = /^([\d.]+) (\S* ?.*?)(\{"timestamp.*\})$/.exec(this.#lines[this.#next]!) ?? []
      if (text === undefined) continue
      const { node, values } = JSON.parse(text) as { node?: string; values?: { n?: number } }
      if (node === undefined || values?.n === undefined) continue
      const unit = Number(node.slice(1))
      const historical = about!.includes('historical:true')
      this.arrivals[unit]!.push({ number: values.n, historical, at: Number(seconds) * 1000 })
      this.numbers[unit]!.add(values.n)
    }
    return this
  }
}

function isAscending(numbers: readonly number[]): boolean {
  return numbers.every((number, at) => at === 0 || number > numbers[at - 1]!)
}

const halves = Math.round((KILLS * OF_HALVES) / 100)
const houses: [string, readonly Process[], number][] = [
  ['a gateway', ['gateway'], KILLS - halves],
  ['either half of a gateway, while the other goes on,', ['field', 'uplink'], halves],
]

describe.skipIf(absentMosquitto.length > 0).each(houses)('%s', (what, names, kills) => {
  it(
    `killed ${kills} times loses nothing that was committed, keeps each device’s order, and repeats at most what was in flight`,
    async () => {
      const folder = newFolder()
      const broker = await mosquitto(['allow_anonymous true', 'max_queued_messages 0', 'max_inflight_messages 0'])
      const link = stopAfterwards(await Link.to(broker.port))
      stopAfterwards({ stop: () => broker.dispose() })
      const seen = await observer(broker.port, ['-t', '#', '-V', '5', '-F', '%U %t %P %p'])
      stopAfterwards({ stop: () => seen.dispose() })
      const devicePort = await freePort()
      const ledger = join(folder, 'ledger')
      const device = join(import.meta.dirname, 'counting-device.ts')
      await keep(started(process.execPath, [device, String(devicePort), ledger], /ready/))
      const file = join(folder, 'gateway.yaml')
      const path = join(folder, 'log')
      const texts = [1, 121, 241, 361]
        .map((at, n) => `t${n}: { address: "${30_000 + at}", type: string, length: 120 }`)
        .join(', ')
      const devices = Array.from(
        { length: UNITS },
        (_, n) =>
          `  d${n + 1}: { connection: plc, unitId: ${n + 1}, groups: { g: { every: ${EVERY_MS}ms, tags: { n: { address: "40001", type: uint32 }, ${texts} } } } }`,
      )
      // Segments as small as can be, so that there is a roll every few lives; but nothing may be evicted in a long run.
      const quotaMiB = kills > 200 ? Math.ceil(kills / 10) : 5
      writeFileSync(
        file,
        `connections: { plc: { driver: modbus-tcp, host: 127.0.0.1, port: ${devicePort} } }
devices:
${devices.join('\n')}
sinks: { s: { type: mqtt, url: "mqtt://127.0.0.1:${link.port}", from: oldest, replay: 30% } }
log: { path: ${path}, commitEvery: ${COMMIT_MS}ms, quota: ${quotaMiB}MiB }
`,
      )
      const random = seeded(20260101)
      const committed = Array.from({ length: UNITS + 1 }, () => new Set<number>())
      const segments = new Set<number>()
      /** Of kills and of breaks of the link, wall time. */
      const breaks: number[] = []
      const kill = new Map<Process, number[]>(names.map((name) => [name, []]))
      const lives = new Map(names.map((name) => [name, new Life(name, file)]))
      const handedOut = (): number => (existsSync(ledger) ? statSync(ledger).size : 0)
      let mendAfter = -1
      for (let round = 0; round < kills; round++) {
        const name = names[Math.floor(random() * names.length)]!
        let lifeMs = random() * 300
        if (round % OUTAGE_EACH === 5) {
          link.cut()
          breaks.push(Date.now())
          lifeMs = 1500
          mendAfter = round + 2
        }
        // Now and then the backlog is given the time to come to an end.
        if (round % OUTAGE_EACH === 15) lifeMs = 1500
        if (random() < 0.65) {
          // Into live flow; the others die while they start.
          const before = handedOut()
          await until('the device to be read', () => handedOut() > before, 20_000)
        }
        await sleep(lifeMs)
        const at = Date.now()
        await lives.get(name)!.kill()
        breaks.push(at)
        kill.get(name)!.push(at)
        if (name !== 'uplink') await committedIn(path, committed, segments)
        lives.set(name, new Life(name, file))
        if (round === mendAfter) link.mend()
      }
      link.mend()
      const before = handedOut()
      await until('the device to be read', () => handedOut() > before + 2000, 20_000)
      const received = new Received(seen.lines)
      const hasCommitted = (): boolean => {
        const got = received.look().numbers
        return committed.every((numbers, unit) => numbers.isSubsetOf(got[unit]!))
      }
      // What is lost is judged below.
      await until('the backlog', hasCommitted, 60_000 + kills * 100).catch(() => undefined)
      const end = handedOutIn(ledger).map((numbers) => numbers.size)
      // What is on the wire when polling ends is nobody's.
      await sleep(100)
      for (const life of lives.values()) if (names[0] === 'gateway') await ended(life.child)
      const field = lives.get('field')
      if (field !== undefined) await ended(field.child)
      await until(
        'the last numbers',
        () => received.look().numbers.every((numbers, unit) => unit === 0 || numbers.has(end[unit]!)),
        30_000,
      )
      const uplink = lives.get('uplink')
      if (uplink !== undefined) await ended(uplink.child)
      for (const life of lives.values()) expect(life.child.exitCode).toBe(0)

      const out = handedOutIn(ledger)
      let [lost, uncommitted, repeats, old, oldestMissingMs, oldestRepeatMs, crossChecked] = [0, 0, 0, 0, 0, 0, 0]
      for (let unit = 1; unit <= UNITS; unit++) {
        const arrivals = received.arrivals[unit]!
        const got = received.numbers[unit]!
        crossChecked += committed[unit]!.size
        for (const number of committed[unit]!) if (!got.has(number)) lost++
        for (let number = 1; number <= end[unit]!; number++) {
          if (got.has(number)) continue
          uncommitted++
          const at = out[unit]!.get(number)!
          const deaths = (kill.get('gateway') ?? kill.get('field'))!.filter((death) => death >= at - 50)
          const beforeMs = Math.min(...deaths) - at
          oldestMissingMs = Math.max(oldestMissingMs, beforeMs)
        }
        const last = new Map<number, number>()
        for (const { number, at, historical } of arrivals) {
          if (historical) old++
          const earlier = last.get(number)
          last.set(number, at)
          if (earlier === undefined) continue
          repeats++
          // What came just before a break, or while it happened.
          const since = Math.min(
            ...breaks.filter((one) => one >= earlier - LAG_MS && one <= at).map((one) => one - earlier),
          )
          oldestRepeatMs = Math.max(oldestRepeatMs, since)
        }
        for (const historical of [false, true]) {
          const stream = arrivals.filter((arrival) => arrival.historical === historical).map(({ number }) => number)
          expect(isAscending([...new Set(stream)]), `unit ${unit}, ${historical ? 'backlog' : 'live'}`).toBe(true)
        }
      }
      console.log(
        `${what} killed ${kills} times: ${end.slice(1).reduce((a, b) => a + b)} numbers handed out, ${crossChecked} found in the log after a kill, ` +
          `${lost} lost; ${uncommitted} not committed, read at most ${Math.round(oldestMissingMs)} ms before a kill; ` +
          `${repeats} repeated, first come at most ${Math.round(oldestRepeatMs)} ms before a break; ${old} came as a backlog; ${segments.size} segments`,
      )
      expect(seen.lines.filter((line) => /"why":"(evicted|damaged|refused)"/.test(line))).toEqual([])
      expect(lost).toBe(0)
      if (kills > 10) expect(crossChecked).toBeGreaterThan(kills)
      expect(oldestMissingMs).toBeLessThanOrEqual(COMMIT_MS + BESIDE_MS)
      expect(oldestRepeatMs).toBeLessThanOrEqual(COMMIT_MS + BESIDE_MS)
      if (kills > 100) expect(Math.min(old, segments.size - 1)).toBeGreaterThan(0)
    },
    60_000 + kills * 3000,
  )
})
