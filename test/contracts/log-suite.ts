/** What every log keeps to: append, read, wait, remember; and a cursor with its receipt. */
import { getEventListeners } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { type Batch, Reason, valueAt } from '../../src/contracts/batch.ts'
import {
  type Cursor,
  compare,
  type Entry,
  type LogReader,
  type LogWriter,
  type Position,
} from '../../src/contracts/log.ts'
import { at, batchOf, counted, countsOf, groupOf } from '../log/batches.ts'

export interface LogUnderTest {
  readonly writer: LogWriter
  readonly reader: LogReader
  cursor(name: string, options: { readonly from: 'now' | 'oldest' }): Promise<Cursor>
  close(): Promise<void>
}

const ALL = { entries: 1000, bytes: 2 ** 20 }
const never = (): AbortSignal => new AbortController().signal

function readAll(reader: LogReader, from: Position = { epoch: 0, seq: 0 }): readonly Entry[] {
  const all: Entry[] = []
  for (let next = from; ; ) {
    const some = reader.read(next, ALL)
    if (some.length === 0) return all
    all.push(...some)
    const last = some.at(-1)!.position
    next = { epoch: last.epoch, seq: last.seq + 1 }
  }
}

export function logSuite(name: string, make: () => Promise<LogUnderTest>): void {
  describe(`${name}, as a log,`, () => {
    let log: LogUnderTest
    const open = async (): Promise<LogUnderTest> => (log = await make())
    afterEach(() => log.close())
    const fill = async (count: number): Promise<readonly Position[]> => {
      const group = groupOf('press')
      return Promise.all(Array.from({ length: count }, (_, number) => log.writer.append(counted(group, number))))
    }

    it('gives back what was appended, in order, with the very group it came in', async () => {
      await open()
      const group = groupOf('press')
      const positions = await Promise.all([1, 2, 3].map((count) => log.writer.append(counted(group, count))))
      const entries = readAll(log.reader)
      expect(countsOf(entries)).toEqual([1, 2, 3])
      expect(entries.map(({ position }) => position)).toEqual(positions)
      for (const entry of entries) expect(entry.kind === 'batch' && entry.batch.group === group).toBe(true)
    })

    it('gives each entry a position behind all before it, and says the newest', async () => {
      const { writer, reader } = await open()
      const positions = await fill(20)
      for (let next = 1; next < positions.length; next++) {
        expect(compare(positions[next - 1]!, positions[next]!)).toBeLessThan(0)
      }
      expect(writer.head).toEqual(positions.at(-1))
      expect(reader.head).toEqual(positions.at(-1))
    })

    it('keeps every kind of value, quality, the tags a batch has, and what is carried', async () => {
      const { writer, reader } = await open()
      const batch: Batch = {
        group: groupOf('press', 5),
        at: { ...at, clock: 'holdover' },
        tags: Uint32Array.of(0, 2, 3, 4),
        numbers: Float64Array.of(1.5, Number.NaN, Number.NaN, Number.NaN),
        others: new Map<number, bigint | string>([
          [1, 2n ** 60n],
          [2, 'läuft'],
        ]),
        quality: Uint8Array.of(Reason.good, Reason.good, Reason.good, Reason.timeout),
        carry: Float64Array.of(1, 1000.5, 7),
      }
      await writer.append(batch)
      const [entry] = readAll(reader)
      if (entry?.kind !== 'batch') expect.unreachable()
      expect(entry.batch).toEqual(batch)
      expect([0, 1, 2, 3].map((column) => valueAt(entry.batch, column))).toEqual([1.5, 2n ** 60n, 'läuft', null])
    })

    it('keeps events among the batches', async () => {
      const { writer, reader } = await open()
      const event = {
        at,
        name: 'gateway.started',
        text: 'version 1 started',
        facts: { version: '1', turns: 3, ok: true },
      }
      const position = await writer.note(event)
      expect(readAll(reader)).toEqual([{ kind: 'event', position, ...event }])
    })

    it('adopts an entry that follows, under its own position, and no other', async () => {
      const { writer, reader } = await open()
      const [only] = await fill(1)
      const position = { epoch: only!.epoch, seq: only!.seq + 1 }
      await writer.adopt({ kind: 'clock', position, at, boot: 'boot-1', offsetMs: 17 })
      expect(readAll(reader).at(-1)).toEqual({ kind: 'clock', position, at, boot: 'boot-1', offsetMs: 17 })
      await expect(
        writer.adopt({
          kind: 'clock',
          position: { epoch: only!.epoch, seq: only!.seq + 9 },
          at,
          boot: 'b',
          offsetMs: 0,
        }),
      ).rejects.toMatchObject({ remedy: 'reject' })
    })

    it('reads from anywhere, no more than asked for, and the same again', async () => {
      const { reader } = await open()
      const positions = await fill(10)
      const some = reader.read(positions[4]!, { entries: 3, bytes: 2 ** 20 })
      expect(countsOf(some)).toEqual([4, 5, 6])
      expect(reader.read(positions[4]!, { entries: 3, bytes: 2 ** 20 })).toEqual(some)
      expect(reader.read(positions[0]!, { entries: 100, bytes: 1 })).toHaveLength(1)
      expect(reader.read({ epoch: positions[9]!.epoch, seq: positions[9]!.seq + 1 }, ALL)).toEqual([])
    })

    it('wakes whoever waits for the next entry, and nobody before', async () => {
      const { reader } = await open()
      let woken = false
      const waiting = reader.next(reader.head, never()).then(() => {
        woken = true
      })
      await Promise.resolve()
      expect(woken).toBe(false)
      await fill(1)
      await waiting
      await reader.next({ epoch: reader.head.epoch, seq: reader.head.seq - 1 }, never())
    })

    it('ends a wait with the reason of its signal and leaves no listener behind', async () => {
      const { reader } = await open()
      const controller = new AbortController()
      const waiting = reader.next(reader.head, controller.signal)
      controller.abort('enough')
      await expect(waiting).rejects.toBe('enough')
      const other = new AbortController()
      const woken = reader.next(reader.head, other.signal)
      await fill(1)
      await woken
      expect(getEventListeners(other.signal, 'abort')).toHaveLength(0)
    })

    it('knows the last value of every tag, partial batches merged over whole ones', async () => {
      const { writer, reader } = await open()
      const group = groupOf('press')
      const other = groupOf('oven')
      await writer.append({ ...batchOf(group, 1, 2, 3), carry: Float64Array.of(9) })
      await writer.append({ ...batchOf(group, 20), tags: Uint32Array.of(1), quality: Uint8Array.of(Reason.outOfRange) })
      await writer.append(batchOf(other, 7, 8, 9))
      const { at: head, batches } = reader.snapshot()
      expect(head).toEqual(reader.head)
      const press = batches.find((batch) => batch.group === group)!
      expect([...press.numbers]).toEqual([1, 20, 3])
      expect([...press.quality!]).toEqual([Reason.good, Reason.outOfRange, Reason.good])
      expect(press.tags).toBeNull()
      expect(press.carry).toEqual(Float64Array.of(9))
      expect([...batches.find((batch) => batch.group === other)!.numbers]).toEqual([7, 8, 9])
      await writer.append({ ...batchOf(group, 30), tags: Uint32Array.of(2) })
      expect([...press.numbers]).toEqual([1, 20, 3])
    })

    describe('its cursor', () => {
      it('begins behind the newest entry, or at the oldest', async () => {
        const { reader, cursor } = await open()
        await fill(3)
        const now = await cursor('now', { from: 'now' })
        const oldest = await cursor('oldest', { from: 'oldest' })
        expect(now.pending(reader.head)).toEqual([])
        const pending = oldest.pending(reader.head)
        expect(pending).toHaveLength(1)
        expect(countsOf(reader.read(pending[0]!.from, ALL))).toEqual([0, 1, 2])
      })

      it('keeps what was not confirmed, oldest first', async () => {
        const { reader, cursor } = await open()
        const reading = await cursor('emqx', { from: 'now' })
        const positions = await fill(10)
        await reading.confirm([
          { from: positions[2]!, to: positions[3]! },
          { from: positions[7]!, to: positions[7]! },
        ])
        const left = reading
          .pending(reader.head)
          .map(({ from, to }) => [from.seq - positions[0]!.seq, to.seq - positions[0]!.seq])
        expect(left).toEqual([
          [0, 1],
          [4, 6],
          [8, 9],
        ])
      })

      it('accounts for every entry: stored = delivered + filtered + pending + quarantined + evicted', async () => {
        const { reader, cursor } = await open()
        const reading = await cursor('emqx', { from: 'now' })
        const positions = await fill(10)
        const refused = reader.read(positions[5]!, { entries: 1, bytes: 1 })[0]!
        await reading.confirm([{ from: positions[0]!, to: positions[5]! }], {
          filtered: 2,
          evicted: 1,
          quarantined: [{ entry: refused, why: 'too long' }],
        })
        expect(reading.receipt(reader.head)).toEqual({
          reader: 'emqx',
          head: reader.head,
          stored: 10,
          delivered: 2,
          filtered: 2,
          pending: 4,
          quarantined: 1,
          evicted: 1,
        })
      })

      it('counts what is confirmed twice once', async () => {
        const { reader, cursor } = await open()
        const reading = await cursor('emqx', { from: 'now' })
        const positions = await fill(4)
        const all = [{ from: positions[0]!, to: positions[3]! }]
        await reading.confirm(all)
        await reading.confirm(all)
        expect(reading.receipt(reader.head)).toMatchObject({ stored: 4, delivered: 4, pending: 0 })
      })

      it('gives quarantined entries once more when asked, until they are settled', async () => {
        const { reader, cursor } = await open()
        const reading = await cursor('emqx', { from: 'now' })
        const positions = await fill(3)
        const quarantined = reader
          .read(positions[0]!, ALL)
          .slice(0, 2)
          .map((entry) => ({ entry, why: 'not now' }))
        await reading.confirm([{ from: positions[0]!, to: positions[2]! }], { quarantined })
        expect(reading.retrying(10)).toEqual([])
        expect(reading.retry(null)).toBe(2)
        const again = reading.retrying(10)
        expect(countsOf(again)).toEqual([0, 1])
        await reading.settle(positions[0]!, null)
        await reading.settle(positions[1]!, 'still not')
        expect(reading.retrying(10)).toEqual([])
        expect(reading.receipt(reader.head)).toMatchObject({ stored: 3, delivered: 2, quarantined: 1 })
      })
    })
  })
}
