/** A gateway whose disk is filled by others, or breaks: it goes on polling, says in words what is wrong, loses nothing that it
 *  stored, and knows to the number what it could not store. The truth is what the device counted and what the receiver got. */
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { GatewayReport } from '../../src/contracts/report.ts'
import { expectAudited } from '../log/audited.ts'
import { absentMosquitto, type Mosquitto, mosquitto, type Observer, observer } from './mosquitto.ts'
import { ext4, memory, mountless, type SmallDisk } from './mounts.ts'
import { ended, fieldgate, freePort, service, sleep, started, until } from './processes.ts'

const absent = [...absentMosquitto, ...(mountless === undefined ? [] : [mountless])]
if (absent.length > 0) console.error(`SKIPPED: the gateway on small disks (${absent.join(', ')})`)

const UNITS = 2
const EVERY_MS = 20

interface Running {
  /** It ends as it should. */
  end(): Promise<void>
}

describe.skipIf(absent.length > 0)('a gateway whose disk', { timeout: 120_000 }, () => {
  const children: ChildProcess[] = []
  let folder = ''
  let disk: SmallDisk | undefined
  let broker: Mosquitto | undefined
  let ears: Observer | undefined
  let file = ''
  afterEach(async () => {
    delete process.env.FIELDGATE_RUN
    for (const child of children.splice(0).reverse()) await ended(child)
    await ears?.dispose()
    await broker?.dispose()
    disk?.dispose()
    rmSync(folder, { recursive: true, force: true })
  })

  const begin = async (make: (folder: string) => SmallDisk): Promise<void> => {
    folder = mkdtempSync(join(tmpdir(), 'fieldgate-disks-'))
    disk = make(folder)
    process.env.FIELDGATE_RUN = join(folder, 'run')
    broker = await mosquitto()
    ears = await observer(broker.port, ['-t', '/neuron/#'])
    const port = await freePort()
    const device = join(import.meta.dirname, 'counting-device.ts')
    children.push(await started(process.execPath, [device, String(port), join(folder, 'ledger')], /ready/))
    file = join(folder, 'gateway.yaml')
    const devices = Array.from(
      { length: UNITS },
      (_, n) =>
        `  d${n + 1}: { connection: plc, unitId: ${n + 1}, groups: { g: { every: ${EVERY_MS}ms, tags: { n: { address: "40001", type: uint32 } } } } }`,
    )
    writeFileSync(
      file,
      `connections: { plc: { driver: modbus-tcp, host: 127.0.0.1, port: ${port} } }
devices:
${devices.join('\n')}
sinks: { s: { type: mqtt, url: "mqtt://127.0.0.1:${broker.port}", from: oldest } }
log: { path: ${join(disk.path, 'log')} }
`,
    )
  }
  /** Whole, or as its two halves. */
  const run = async (sides: readonly string[] = []): Promise<Running> => {
    const all: ChildProcess[] = []
    for (const side of sides.length === 0 ? [undefined] : sides) {
      const [command, words, env] = service('run', '--config', file, ...(side === undefined ? [] : ['--side', side]))
      // Sockets stand elsewhere than on the disk that is tried, as /run does.
      const child = await started(command, words, /"msg":"running"/, { ...env, FIELDGATE_RUN: join(folder, 'run') })
      children.push(child)
      all.push(child)
    }
    return {
      async end() {
        for (const child of all) {
          await ended(child)
          // What one half has stored the other still delivers.
          if (all.length > 1) await sleep(1000)
        }
        expect(all.map(({ exitCode }) => exitCode)).toEqual(all.map(() => 0))
      },
    }
  }
  /** By unit: the last number that the device handed out. */
  const handedOut = (): number[] => {
    const last = new Array<number>(UNITS + 1).fill(0)
    if (!existsSync(join(folder, 'ledger'))) return last
    for (const line of readFileSync(join(folder, 'ledger'), 'utf8').split('\n')) {
      const [unit, count] = line.split(' ').map(Number)
      if (count !== undefined) last[unit!] = count
    }
    return last
  }
  /** By unit: the numbers that the receiver got. */
  const received = (): Set<number>[] => {
    const units = Array.from({ length: UNITS + 1 }, () => new Set<number>())
    for (const line of ears!.lines) {
      const at = line.indexOf('{')
      if (!line.startsWith('/neuron/') || at < 0) continue
      const { node, values } = JSON.parse(line.slice(at)) as { node: string; values: { n?: number } }
      if (values.n !== undefined) units[Number(node.slice(1))]!.add(values.n)
    }
    return units
  }
  const missing = (upTo: readonly number[]): number[][] =>
    received().map((got, unit) =>
      Array.from({ length: upTo[unit]! }, (_, at) => at + 1).filter((number) => !got.has(number)),
    )
  const status = async (): Promise<GatewayReport> =>
    JSON.parse((await fieldgate('status', '--config', file, '--json')).stdout) as GatewayReport
  const stored = async (): Promise<readonly boolean[]> => {
    const { stdout } = await fieldgate('values', '--config', file, '--json')
    return stdout
      .trim()
      .split('\n')
      .flatMap((line) => JSON.parse(line) as { stored: boolean } | { stored: boolean }[])
      .map((row) => row.stored)
  }
  const lit = (report: GatewayReport, role: string): string => {
    const { colour, text } = report.lights.find((light) => light.role === role)!
    return `${colour}: ${text}`
  }
  const numbers = async (more: number): Promise<void> => {
    const from = handedOut()
    await until('more polls', () => handedOut().every((last, unit) => unit === 0 || last >= from[unit]! + more))
  }

  for (const [name, rounds, make, sides] of [
    ['ext4', 2, (within: string) => ext4(40, within), []],
    ['memory, as two halves', 1, (within: string) => memory(40, within), ['field', 'uplink']],
  ] as const) {
    it(`(${name}) is eaten by another process goes on polling, and stores again when there is room`, async () => {
      await begin(make)
      const one = await run(sides)
      for (let round = 0; round < rounds; round++) {
        await numbers(50)
        disk!.eat()
        const full = await until('the full disk to be told', async () => {
          disk!.eat()
          const report = await status()
          return report.log!.state.condition === 'fault' && report
        })
        expect(lit(full, 'SYS')).toMatch(/^(amber|red): .*(disk is full)/)
        expect(lit(full, 'NET')).toContain('data is being lost')
        await numbers(100)
        const lasting = await status()
        expect(lasting.log!.counters.refused).toBeGreaterThan(full.log!.counters.refused!)
        expect(await stored()).toEqual(new Array(UNITS).fill(false))
        expect(lasting.devices.map(({ answers }) => answers)).toEqual([true, true])
        disk!.giveBack()
        await until('the log to be stored', async () => (await status()).log!.state.condition !== 'fault', 20_000)
        await numbers(50)
        expect(await stored()).toEqual(new Array(UNITS).fill(true))
      }
      const { counters } = (await status()).log!
      await one.end()
      await expectAudited(join(disk!.path, 'log'))
      const end = handedOut()
      await sleep(500)
      // The last poll may not have been answered before the end.
      const lost = missing(end.map((last) => Math.max(0, last - 1)))
      expect(lost.flat().length).toBe(counters.refused)
      const { gaps } = JSON.parse((await fieldgate('log', 'gaps', '--config', file, '--json')).stdout) as {
        gaps: readonly { why: string; entries: number }[]
      }
      const told = gaps.reduce((sum, { why, entries }) => sum + (why === 'refused' ? entries : 0), 0)
      expect(told).toBe(counters.refused)
      const audit = await fieldgate('log', 'status', '--audit', '--config', file)
      expect(audit.status, audit.stdout + audit.stderr).toBe(0)
    })
  }

  for (const [what, spoil, heal] of [
    ['full', () => void disk!.eat(), () => disk!.giveBack()],
    ['read-only', () => disk!.readOnly(true), () => disk!.readOnly(false)],
  ] as const) {
    it(`(ext4) is ${what} at its start polls and says so, delivers what there is, and stores once it can`, async () => {
      await begin((within) => ext4(40, within))
      await broker!.kill()
      const first = await run()
      await numbers(100)
      await first.end()
      const before = handedOut().map((last) => Math.max(0, last - 1))
      spoil()
      await broker!.up()
      await ears!.dispose()
      ears = await observer(broker!.port, ['-t', '/neuron/#'])
      const one = await run()
      const spoilt = await until('the disk to be told', async () => {
        const report = await status()
        return report.log!.state.condition === 'fault' && report
      })
      expect(lit(spoilt, 'SYS')).toMatch(/^(amber|red): .*(disk is full|[Nn]o space left|[Rr]ead-only)/)
      await numbers(50)
      expect(await stored()).toEqual(new Array(UNITS).fill(false))
      // A full disk that holds a log still gives it away; what cannot be confirmed is given once more later.
      await until('what was stored before', () => missing(before).flat().length === 0)
      heal()
      await until('the log to be stored', async () => (await status()).log!.state.condition !== 'fault', 25_000)
      const from = handedOut()
      await numbers(30)
      const { counters } = (await status()).log!
      expect(counters.refused).toBeGreaterThan(50)
      await one.end()
      const end = handedOut().map((last) => Math.max(0, last - 1))
      await sleep(500)
      const lost = missing(end)
      expect(lost.flat().filter((number, at) => number > from[at < lost[1]!.length ? 1 : 2]! + 1)).toEqual([])
      expect(lost.flat().length).toBeGreaterThan(0)
    })
  }

  it('(ext4) breaks says so, goes on polling, ends cleanly, and once repaired has all that was stored', async () => {
    await begin((within) => ext4(40, within))
    // Nothing is delivered: what was stored has to be on the disk.
    await broker!.kill()
    const one = await run()
    await numbers(50)
    const before = handedOut()
    await sleep(1000)
    disk!.break()
    const broken = await until('the broken disk to be told', async () => {
      const report = await status()
      return report.log!.state.condition === 'fault' && report
    })
    expect(lit(broken, 'SYS')).toMatch(/^red: the log: .*[Rr]ead-only file system.*; look at the disk/)
    await numbers(100)
    expect(await stored()).toEqual(new Array(UNITS).fill(false))
    expect((await status()).log!.counters.refused).toBeGreaterThan(50)
    await one.end()
    disk!.repair()
    await broker!.up()
    await ears!.dispose()
    ears = await observer(broker!.port, ['-t', '/neuron/#'])
    const two = await run()
    await numbers(20)
    await until('what was stored', () => missing(before).flat().length === 0)
    await two.end()
    await expectAudited(join(disk!.path, 'log'))
  })
})
