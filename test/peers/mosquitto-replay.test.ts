/** A backlog brought to mosquitto in real time while live values go on, with mosquitto_sub as the witness. Promises 3 and 6. */
import { spawn } from 'node:child_process'
import { openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Drain } from '../../src/log/delivery/drain.ts'
import { openLog } from '../../src/log/log.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { batchOf, groupOf, Said } from '../log/batches.ts'
import { p99 } from '../log/receiver.ts'
import { configuredSink } from '../northbound/mqtt/configured.ts'
import { absentMosquitto, mosquitto, observer } from './mosquitto.ts'
import { ended, until } from './processes.ts'
import { newFolder, stopAfterwards } from './workshop.ts'

if (absentMosquitto.length > 0)
  console.error(`SKIPPED: a backlog brought to mosquitto, for want of ${absentMosquitto.join(', ')}`)

const DEVICES = 20
const TAGS = 100
/** Of each device. */
const BACKLOG = 1250
/** All devices say something so often. */
const EVERY_MS = 100
const never = new AbortController().signal

interface Arrival {
  readonly device: number
  readonly number: number
  readonly historical: boolean
  readonly retained: boolean
  readonly latencyMs: number
}

/** `%U %r %t %P %p` */
function arrivalsIn(text: string): Arrival[] {
  return text.split('\n').flatMap((line) => {
    const [, seconds, retained, about, document] = /^([\d.]+) ([01]) (.*?)(\{.*\})$/.exec(line) ?? []
    if (document === undefined) return []
    const { timestamp, node, values } = JSON.parse(document) as {
      timestamp: number
      node: string
      values: Record<string, number>
    }
    return {
      device: Number(node.slice(1)),
      number: values.t0!,
      historical: about!.includes('historical:true'),
      retained: retained === '1',
      latencyMs: Number(seconds) * 1000 - timestamp,
    }
  })
}

describe.skipIf(absentMosquitto.length > 0)('a backlog that mosquitto is sent beside live values', () => {
  it('keeps them under two seconds, each device in order, and is marked and never retained', async () => {
    const folder = newFolder()
    const broker = await mosquitto(['allow_anonymous true', 'max_queued_messages 0', 'max_inflight_messages 0'])
    stopAfterwards({ stop: () => broker.dispose() })
    // Into a file: what it says is more than the process that is measured should read.
    const ledger = join(folder, 'ledger')
    const words = ['-p', String(broker.port), '-t', '/neuron/#', '-q', '1', '-V', '5', '-F', '%U %r %t %P %p']
    const witness = spawn('/usr/bin/mosquitto_sub', words, { stdio: ['ignore', openSync(ledger, 'w'), 'inherit'] })
    stopAfterwards({ stop: () => ended(witness) })
    await until('the witness', () => broker.lines.some((line) => /Sending SUBACK/.test(line)))

    const clock = new SystemClock()
    const groups = Array.from({ length: DEVICES }, (_, device) => groupOf(`d${device}`, TAGS))
    const path = join(folder, 'log')
    const log = await openLog({
      path,
      quotaBytes: 2 ** 30,
      commitEveryMs: 200,
      evict: 'oldest',
      clock,
      log: new Said(),
    })
    stopAfterwards({ stop: () => log.close() })
    log.configure({ groups, readers: ['emqx'] })
    const cursor = await log.cursor('emqx', { from: 'oldest' })
    const last = groups.map(() => 0)
    const say = (): Promise<unknown>[] =>
      groups.map((group, device) => {
        const number = ++last[device]!
        const numbers = group.tags.map((_, tag) => (tag === 0 ? number : Math.sqrt(number * TAGS + tag)))
        return log.writer.append({ ...batchOf(group, ...numbers), at: clock.now() })
      })
    for (let turn = 0; turn < BACKLOG; turn += 25) {
      await Promise.all(Array.from({ length: 25 }, say).flat())
    }
    const megabytes = log.report().bytes / 2 ** 20

    const { sink } = configuredSink({
      clock,
      keys: { url: `mqtt://127.0.0.1:${broker.port}`, retain: true, version: '5' },
    })
    await sink.start()
    stopAfterwards({ stop: () => sink.stop() })
    await sink.ready(never)
    const drain = new Drain({ sink, reader: log.reader, cursor, clock, log: new Said(), replay: 0.3 })
    drain.start()
    const began = clock.monotonic()
    let drainedMs = 0
    let liveSaid = 0
    for (let tick = 0; drainedMs === 0 || clock.monotonic() < began + drainedMs + 1000; tick++) {
      say()
      liveSaid += DEVICES
      await clock.sleep(Math.max(0, began + (tick + 1) * EVERY_MS - clock.monotonic()), never)
      const { pending } = drain.report().receipt
      if (drainedMs === 0 && pending < 10 * DEVICES) drainedMs = clock.monotonic() - began
      expect(clock.monotonic() - began).toBeLessThan(120_000)
    }
    await log.flush()
    await drain.finish(10_000)
    const all = last.reduce((sum, number) => sum + number, 0)
    const arrivals = await until(
      'the last values',
      () => {
        const found = arrivalsIn(readFileSync(ledger, 'utf8'))
        return found.length >= all && found
      },
      30_000,
    )

    // Without a break there is nothing to repeat.
    expect(arrivals).toHaveLength(all)
    for (const historical of [false, true]) {
      const stream = arrivals.filter((arrival) => arrival.historical === historical)
      for (let device = 0; device < DEVICES; device++) {
        const numbers = stream.filter((arrival) => arrival.device === device).map(({ number }) => number)
        const first = historical ? 1 : BACKLOG + 1
        expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, at) => first + at))
        expect(numbers.length).toBe(historical ? BACKLOG : last[device]! - BACKLOG)
      }
    }
    const live = arrivals.filter(({ historical }) => !historical).map(({ latencyMs }) => latencyMs)
    const worst = p99(live)
    console.log(
      `${megabytes.toFixed(0)} MB of backlog (${BACKLOG * DEVICES} records, ${BACKLOG * DEVICES * TAGS} samples) beside ${liveSaid} live ones: ` +
        `drained in ${(drainedMs / 1000).toFixed(1)} s, live p99 at the subscriber ${worst.toFixed(0)} ms, median ` +
        `${live.sort((a, b) => a - b)[live.length >> 1]!.toFixed(0)} ms; 0 lost, 0 repeated, 0 out of order`,
    )
    expect(worst).toBeLessThan(2000)

    // Who comes late is given the newest value of each device, and nothing old.
    const late = await observer(broker.port, ['-t', '/neuron/#', '--retained-only', '-V', '5', '-F', '%U %r %t %P %p'])
    stopAfterwards({ stop: () => late.dispose() })
    const kept = await until('what is retained', () => {
      const found = arrivalsIn(late.lines.join('\n'))
      return found.length >= DEVICES && found
    })
    expect(kept.map(({ device }) => device).sort((a, b) => a - b)).toEqual(groups.map((_, device) => device))
    for (const { device, number, historical, retained } of kept) {
      expect({ number, historical, retained }).toEqual({ number: last[device], historical: false, retained: true })
    }
  }, 240_000)
})
