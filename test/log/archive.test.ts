/** A log's folder, looked at by somebody who is not its gateway. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { type Archive, openArchive } from '../../src/log/archive.ts'
import { openUplinkEnd } from '../../src/log/uplink-log.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { counted, countsOf, groupOf, Said } from './batches.ts'
import { FieldHalf } from './field-half.ts'

const root = mkdtempSync(join(tmpdir(), 'fieldgate-archive-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const clock = new SystemClock()
const OPTIONS = { quotaBytes: 2 ** 30, commitEveryMs: 0, evict: 'oldest' as const, segmentBytes: 200_000 }

function contents({ reader }: Archive): number[] {
  const counts: number[] = []
  for (let seq = 1; ; ) {
    const entries = reader.read({ epoch: 0, seq }, { entries: 100, bytes: 65536 })
    if (entries.length === 0) return counts
    counts.push(...countsOf(entries))
    seq = entries.at(-1)!.position.seq + 1
  }
}

/** Every file but LMDB's reader table, by content. */
function files(path: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' })) {
    const file = join(path, name)
    if (statSync(file).isFile() && !name.endsWith('-lock')) found[name] = readFileSync(file).toString('base64')
  }
  return found
}

describe('a log that is looked at', () => {
  const path = join(root, 'log')
  const group = groupOf('press', 100)

  it('shows what is in it while its gateway runs, and after it ended, and is not changed by it', async () => {
    const half = await FieldHalf.start({ path, ...OPTIONS })
    await Promise.all(Array.from({ length: 1000 }, (_, at) => half.append(counted(group, at))))
    const archive = openArchive({ path, clock, log: new Said() })
    expect(contents(archive)).toEqual(Array.from({ length: 1000 }, (_, at) => at))
    await half.append(counted(group, 1000))
    archive.look()
    expect(contents(archive).at(-1)).toBe(1000)
    expect(archive.segments.length).toBeGreaterThan(1)
    await archive.close()
    await half.close()
    const before = files(path)
    const stopped = openArchive({ path, clock, log: new Said() })
    expect(contents(stopped)).toHaveLength(1001)
    expect(stopped.places()).toEqual([])
    await stopped.close()
    expect(files(path)).toEqual(before)
  })

  it('shows how far each sink has come and what it refused', async () => {
    const end = await openUplinkEnd({ path, ...OPTIONS, clock, log: new Said(), signal: new AbortController().signal })
    const cursor = await end.cursor('emqx', { from: 'oldest' })
    const entries = end.reader.read({ epoch: 1, seq: 1 }, { entries: 10, bytes: 2 ** 20 })
    const quarantined = [{ entry: entries[3]!, why: 'too long' }]
    await cursor.confirm([{ from: entries[0]!.position, to: entries[9]!.position }], { quarantined })
    const receipt = cursor.receipt(end.reader.head)
    const state = { condition: 'fine', text: 'connected' } as const
    const at = { boot: 'b', monotonic: 1 }
    end.tell('emqx', { at, type: 'mqtt', state, oldest: null, rate: 3, counters: {} })
    await end.close()
    const archive = openArchive({ path, clock, log: new Said() })
    expect(archive.places()).toMatchObject([{ reader: 'emqx', receipt, said: { state } }])
    const kept = [...archive.quarantine('emqx')]
    expect(kept.map(({ why }) => why)).toEqual(['too long'])
    expect(countsOf(kept.map(({ entry }) => entry))).toEqual([3])
    await archive.close()
  })

  it('says that there is none', () => {
    expect(() => openArchive({ path: join(root, 'none'), clock, log: new Said() })).toThrow(
      `log.path: there is no log in ${join(root, 'none')}; it is made when the gateway first runs`,
    )
  })
})
