/** `jitter`: how late the questions of 100 groups at 100 ms leave, while the log and three sinks work at full speed. Groups lie
 *  one millisecond apart (`phase`), so that each has a moment of its own. Lateness is taken at the device: the arrival of each
 *  question against the grid, whose origin is the earliest arrival there was. The broker is away first, so that the sinks
 *  drain a backlog while it is measured. The reference is a bare timer loop in an idle process. */
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ended, freePort, gateway, sleep, started } from '../peers/processes.ts'
import { round } from './rounds.ts'

const GROUPS = 100
const EVERY_MS = 100
const TAGS = 20
const SINKS = 3
const ALLOWED_MS = 2
/** Of a minute: what a clock of another grid would show at once. */
const NO_DRIFT_MS = 0.5
/** But for the slots cut off at both ends of the window. */
const ALL_SERVED = 0.998

export async function run({ small }: { small: boolean }) {
  const backlogSeconds = small ? 2 : 15
  const seconds = small ? 3 : 30
  const reference = await bareLoop(small ? 500 : 5000)
  const folder = mkdtempSync(join(tmpdir(), 'fieldgate-jitter-'))
  const children: ChildProcess[] = []
  const device = await listening()
  try {
    const brokerPort = await freePort()
    const file = join(folder, 'gateway.yaml')
    writeFileSync(file, configuration(folder, brokerPort, device.port))
    children.push(await gateway(file))
    await sleep(1000 + backlogSeconds * 1000)
    const conf = join(folder, 'mosquitto.conf')
    writeFileSync(conf, `listener ${brokerPort} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 100000\n`)
    device.clear()
    const from = performance.now()
    children.push(await started('/usr/sbin/mosquitto', ['-c', conf], /running/, {}))
    await sleep(seconds * 1000)
    const arrivals = device.arrivals()
    const elapsedMs = performance.now() - from
    const { p50, p99, max, driftMsPerMinute } = lateness(arrivals)
    const served = round((arrivals.length * EVERY_MS) / (GROUPS * elapsedMs), 4)
    return {
      bench: 'jitter',
      target: `p99 ≤ ${ALLOWED_MS} ms of ${GROUPS} groups at ${EVERY_MS} ms while ${SINKS} sinks drain, no drift`,
      verdict:
        p99 <= ALLOWED_MS && Math.abs(driftMsPerMinute) <= NO_DRIFT_MS && served >= ALL_SERVED
          ? ('met' as const)
          : ('missed' as const),
      lateMs: { p50, p99, max },
      driftMsPerMinute,
      bareLoopLateMs: reference,
      slotsServed: served,
      tagsPerSecond: (GROUPS * TAGS * 1000) / EVERY_MS,
    }
  } finally {
    for (const child of children.reverse()) await ended(child)
    device.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Arrival {
  readonly group: number
  readonly at: number
}

/** A device that answers with zeros, and notes when each group's question came. */
async function listening() {
  let noted: Arrival[] = []
  const server = createServer((socket) => {
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.on('data', (bytes) => {
      const at = performance.now()
      const answers: Buffer[] = []
      for (let from = 0; from + 12 <= bytes.length; from += 12) {
        const [address, quantity] = [bytes.readUInt16BE(from + 8), bytes.readUInt16BE(from + 10)]
        noted.push({ group: address / TAGS, at })
        const answer = Buffer.alloc(9 + 2 * quantity)
        bytes.copy(answer, 0, from, from + 4)
        answer.writeUInt16BE(3 + 2 * quantity, 4)
        answer.set([bytes[from + 6]!, 3, 2 * quantity], 6)
        answers.push(answer)
      }
      socket.write(Buffer.concat(answers))
    })
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    port,
    arrivals: () => noted,
    clear: () => {
      noted = []
    },
    stop: () => server.close(),
  }
}

/** Against the grid of all groups, whose origin is the earliest arrival: nothing is asked before its time. */
function lateness(arrivals: readonly Arrival[]) {
  const [first] = arrivals as [Arrival, ...Arrival[]]
  const wrapped = (place: number, from: number): number => {
    const above = (place - from) % EVERY_MS
    return from + (above < 0 ? above + EVERY_MS : above)
  }
  const around = arrivals.map(({ group, at }) => wrapped(at - first.at - (group - first.group), -EVERY_MS / 2))
  // The interval is cut well before where most of them are; what is so late that it lies before the cut is counted from it on.
  const cut = around.toSorted((a, b) => a - b)[around.length >> 1]! - EVERY_MS / 5
  const places = around.map((place) => wrapped(place, cut))
  const crowd = places.toSorted((a, b) => a - b)[Math.floor(places.length / 100)]!
  const origin = places.reduce((least, place) => (place > crowd - 1 ? Math.min(least, place) : least), crowd)
  const late = places.map((place) => (place < origin ? place + EVERY_MS : place) - origin)
  const meanAt = arrivals.reduce((sum, { at }) => sum + at, 0) / arrivals.length
  const meanLate = late.reduce((sum, one) => sum + one, 0) / late.length
  let [over, under] = [0, 0]
  for (const [index, { at }] of arrivals.entries()) {
    over += (at - meanAt) * (late[index]! - meanLate)
    under += (at - meanAt) ** 2
  }
  return { ...spread(late), driftMsPerMinute: round((over / under) * 60_000, 3) }
}

/** A timer loop that does nothing: one moment each millisecond. */
async function bareLoop(times: number) {
  const start = performance.now()
  const late: number[] = []
  for (let slot = 1; slot <= times; slot++) {
    const due = start + slot
    const waitMs = due - performance.now()
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
    late.push(performance.now() - due)
  }
  return spread(late)
}

function spread(figures: readonly number[]) {
  const sorted = [...figures].sort((a, b) => a - b)
  const at = (share: number): number => round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!)
  return { p50: at(0.5), p99: at(0.99), max: round(sorted.at(-1)!) }
}

function configuration(folder: string, brokerPort: number, devicePort: number): string {
  const groups = Array.from({ length: GROUPS }, (_, group) => {
    const tags = Array.from(
      { length: TAGS },
      (_, tag) => `t${tag}: { address: "holding:${group * TAGS + tag}", type: uint16, scale: 0.1 }`,
    )
    return `      g${group}: { every: ${EVERY_MS}ms, phase: ${group}ms, tags: { ${tags.join(', ')} } }`
  })
  const sinks = Array.from(
    { length: SINKS },
    (_, n) => `  s${n}: { type: mqtt, url: "mqtt://127.0.0.1:${brokerPort}", format: values, qos: 1 }`,
  )
  return `gateway: { id: bench }
connections: { c: { driver: modbus-tcp, host: 127.0.0.1, port: ${devicePort}, inFlight: 8 } }
devices:
  d:
    connection: c
    unitId: 1
    groups:
${groups.join('\n')}
sinks:
${sinks.join('\n')}
log: { path: ${join(folder, 'log')} }
`
}
