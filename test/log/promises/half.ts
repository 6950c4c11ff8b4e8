/** A process with one end of the log, or with both. The tests are its source and its far sides, over IPC, and keep both
 *  ledgers; its clock stands still until they move it. */
import { readFileSync } from 'node:fs'
import type { Batch } from '../../../src/contracts/batch.ts'
import type { Stop } from '../../../src/contracts/clock.ts'
import { ConfigurationFault, Rejected, Retryable, sentence } from '../../../src/contracts/errors.ts'
import type { Entry, LogReader, Position } from '../../../src/contracts/log.ts'
import type { Rejection, Sink } from '../../../src/contracts/sink.ts'
import { Drain } from '../../../src/log/delivery/drain.ts'
import type { FieldEnd, UplinkEnd } from '../../../src/log/ends.ts'
import { openFieldEnd, openLog } from '../../../src/log/log.ts'
import { openUplinkEnd } from '../../../src/log/uplink-log.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'
import { batchOf, groupOf, Said } from '../batches.ts'
import type { Answer, Appending, Environments, Opening, Plug, Told } from './messages.ts'
import type {} from './watched-lmdb.ts'

/** Bytes of values that were read in this turn of the loop, and the most in any. */
const turn = { bytes: 0, most: 0 }

/** Each timer has a turn of its own. */
class TurningClock extends ManualClock {
  override after(ms: number, run: () => void): Stop {
    return super.after(ms, () => {
      turn.bytes = 0
      run()
    })
  }
}

const DEVICES = ['press', 'oven', 'pump']
let clock = new TurningClock()
let said = new Said()
let field: FieldEnd | undefined
let uplink: UplinkEnd | undefined
let free = 2 ** 50
let groups = DEVICES.map((device) => groupOf(device))
const drains = new Map<string, Drain>()
const answers = new Map<number, PromiseWithResolvers<readonly Rejection[]>>()
let calls = 0
let told: { number: number; position: Position | null; why: string }[] = []

const send = (message: Told): void => void process.send!(message)

/** What became of appended numbers, as soon as it is known. */
function tell(number: number, position: Position | null, why = ''): void {
  if (told.length === 0) {
    setImmediate(() => {
      send({ outcomes: told })
      told = []
    })
  }
  told.push({ number, position, why })
}

/** `number` as the first value; the rest fits no shorter form, so that a batch has its full size. */
function batch(number: number, { device, tags }: Appending): Batch {
  const group = groups[DEVICES.indexOf(device)]!
  const values = group.tags.map((_, tag) => (tag === 0 ? number : Math.sqrt(number * 100 + tag)))
  return { ...batchOf(group, ...values.slice(0, tags)), at: clock.now() }
}

/** As it goes over to the test: the first values tell which it is. */
function brief(entry: Entry): Entry {
  if (entry.kind !== 'batch') return entry
  const { batch } = entry
  const numbers = batch.numbers.slice(0, 4)
  return { ...entry, batch: { ...batch, group: { ...batch.group, tags: [] }, numbers } }
}

/** Delivery stops when what it confirmed is durable, which is not to wait for time that stands still. */
async function stop(drain: Drain): Promise<void> {
  let over = false
  const stopped = drain.stop().finally(() => {
    over = true
  })
  while (!over) {
    await uplink!.flush()
    await new Promise((resolve) => setImmediate(resolve))
  }
  await stopped
}

/** Notes how much of the log is read before others have their turn. */
function measured(reader: LogReader): LogReader {
  return {
    stream: reader.stream,
    get head() {
      return reader.head
    },
    next: (after, signal) => reader.next(after, signal),
    snapshot: () => reader.snapshot(),
    read: (from, max) => {
      const entries = reader.read(from, max)
      setImmediate(() => (turn.bytes = 0))
      for (const entry of entries) if (entry.kind === 'batch') turn.bytes += entry.batch.numbers.byteLength
      turn.most = Math.max(turn.most, turn.bytes)
      return entries
    },
  }
}

/** The far side is the test: it answers when and as it likes. */
function sinkOf({ name, delivery, ready, resume }: Plug, stream: string): Sink {
  const ask = (question: 'deliver' | 'ready', entries: readonly Entry[], historical: boolean, signal: AbortSignal) => {
    const call = ++calls
    const answer = Promise.withResolvers<readonly Rejection[]>()
    answers.set(call, answer)
    signal.addEventListener('abort', () => answer.reject(signal.reason), { once: true })
    send({ [question]: { call, name, stream, entries: entries.map(brief), historical } })
    return answer.promise
  }
  return {
    name,
    delivery,
    deliver: async (entries, { historical }, signal) => ({
      rejected: await ask('deliver', entries, historical, signal),
    }),
    ...(ready && { ready: async (signal) => void (await ask('ready', [], false, signal)) }),
    ...(resume.length > 0 && { resume: async () => resume }),
    start: async () => undefined,
    stop: async () => undefined,
    state: () => ({ condition: 'fine', text: '' }),
    counters: () => ({}),
  }
}

const commands = {
  async open(opening: Opening): Promise<string> {
    const { side, wall, monotonic, boot, tags } = opening
    clock = new TurningClock({ wall: wall - monotonic, boot })
    await clock.advance(monotonic)
    said = new Said()
    turn.most = 0
    globalThis.openedEnvironments = []
    groups = DEVICES.map((device) => groupOf(device, tags))
    const options = { ...opening, clock, log: said, freeBytes: () => free }
    if (side === 'both') field = uplink = await openLog(options)
    else if (side === 'field') field = await openFieldEnd({ ...options, headFile: `${opening.path}.head` })
    else {
      const { signal } = new AbortController()
      uplink = await openUplinkEnd({ ...options, headFile: `${opening.path}.head`, signal })
    }
    return (field ?? uplink)!.reader.stream
  },

  async configure({ readers }: { readers: readonly string[] }): Promise<void> {
    field?.configure({ groups, readers })
    if (uplink !== (field as UplinkEnd | undefined)) uplink?.configure({ groups, readers })
  },

  async append(appending: Appending): Promise<void> {
    for (const number of appending.numbers) {
      field!.writer.append(batch(number, appending)).then(
        (position) => tell(number, position),
        (thrown) => tell(number, null, `${thrown.name}: ${thrown.message}`),
      )
    }
  },

  async plug(plug: Plug): Promise<void> {
    const { reader } = uplink!
    const cursor = plug.delivery === 'live' ? null : await uplink!.cursor(plug.name, { from: plug.from })
    const { name, replay, maxEntries, wants } = plug
    const select = (entry: Entry): Entry | null =>
      wants === null || entry.kind !== 'batch' || wants.includes(entry.batch.group.device) ? entry : null
    const sink = sinkOf(plug, reader.stream)
    const drain = new Drain({ sink, reader: measured(reader), cursor, clock, log: said, replay, maxEntries, select })
    drains.set(name, drain)
    drain.start()
  },

  async unplug(name: string): Promise<void> {
    const stopped = stop(drains.get(name)!)
    drains.delete(name)
    await stopped
  },

  /** All of one moment. */
  async account(name: string): Promise<unknown> {
    const cursor = await uplink!.cursor(name, { from: 'oldest' })
    const { head } = uplink!.reader
    const quarantined = [...uplink!.quarantine(name)].map(({ entry, why }) => ({ position: entry.position, why }))
    return { receipt: cursor.receipt(head), pending: cursor.pending(head), quarantined }
  },

  async retry(name: string): Promise<number> {
    return drains.get(name)!.retry(null)
  },

  async report(): Promise<unknown> {
    return { log: field!.report(), places: field!.places() }
  },

  async sinkReport(name: string): Promise<unknown> {
    const drain = drains.get(name)!
    return { ...drain.report(), counters: drain.counters(), mostReadInATurn: turn.most }
  },

  async read({ from, entries, bytes }: { from: Position; entries: number; bytes: number }): Promise<unknown> {
    return (uplink ?? field)!.reader.read(from, { entries, bytes }).map(brief)
  },

  async snapshot(): Promise<unknown> {
    return (uplink ?? field)!.reader.snapshot()
  },

  async advance(ms: number): Promise<void> {
    await clock.advance(ms)
  },

  async free(bytes: number): Promise<void> {
    free = bytes
  },

  async said(): Promise<readonly string[]> {
    return said.lines
  },

  /** How every environment was opened, who reads those that are open, and how the kernel maps their files. */
  async environments(): Promise<Environments> {
    const opened = globalThis.openedEnvironments ?? []
    const maps = readFileSync('/proc/self/maps', 'utf8').split('\n')
    return {
      opened: opened.map(({ options }) => ({ ...options })),
      readers: opened.flatMap(({ options, database, closed }) =>
        closed ? [] : [{ path: options.path!.replace('.new/', '/'), list: database.readerList() }],
      ),
      maps: maps.filter((line) => line.endsWith('/log.mdb')),
    }
  },

  async flush(): Promise<void> {
    for (const end of new Set([field, uplink])) await end?.flush()
  },

  async close(): Promise<void> {
    for (const name of drains.keys()) await commands.unplug(name)
    answers.clear()
    const ends = new Set([field, uplink])
    field = uplink = undefined
    free = 2 ** 50
    for (const end of ends) await end?.close()
  },
}

export type Commands = typeof commands

function answered({ answer, rejected, thrown }: Answer): void {
  const waiting = answers.get(answer)
  answers.delete(answer)
  if (thrown === undefined) waiting?.resolve(rejected ?? [])
  else if (thrown.name === 'Rejected') waiting?.reject(new Rejected(thrown.message))
  else if (thrown.name === 'ConfigurationFault') waiting?.reject(new ConfigurationFault(thrown.message))
  else waiting?.reject(new Retryable(thrown.message, { reason: 0 }))
}

process.on('disconnect', () => process.exit())
process.on('message', (message: Answer | { id: number; command: keyof Commands; argument: never }) => {
  if ('answer' in message) return answered(message)
  const { id, command, argument } = message
  commands[command](argument).then(
    (result: unknown) => send({ id, result }),
    (thrown: unknown) => send({ id, fault: { name: (thrown as Error).name, message: sentence(thrown) } }),
  )
})
