/** What was read a moment ago must not hide what was written since, though nothing ran in between that would renew the view. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { openArchive } from '../../src/log/archive.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { countsOf, Said } from './batches.ts'

const path = mkdtempSync(join(tmpdir(), 'fieldgate-stale-'))
afterAll(() => rmSync(path, { recursive: true, force: true }))

/** Another process writes from one count up to another and ends, while this one stands still. */
function written(from: number, to: number): void {
  const module = (name: string) => JSON.stringify(join(import.meta.dirname, name))
  const code = `
    const { openLog } = await import(${module('../../src/log/log.ts')})
    const { SystemClock } = await import(${module('../../src/time/system-clock.ts')})
    const { counted, groupOf, Said } = await import(${module('batches.ts')})
    const log = await openLog({ path: ${JSON.stringify(path)}, quotaBytes: 2 ** 30, commitEveryMs: 0, evict: 'oldest',
      segmentBytes: 100_000, clock: new SystemClock(), log: new Said() })
    const group = groupOf('press', 100)
    for (let count = ${from}; count <= ${to}; count += 10)
      await Promise.all(Array.from({ length: 10 }, (_, more) => log.writer.append(counted(group, count + more))))
    await log.close()`
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
  expect([status, stderr]).toEqual([0, ''])
}

it('reads on where a segment was written on and sealed since it was looked at', async () => {
  written(1, 10)
  const archive = openArchive({ path, clock: new SystemClock(), log: new Said() })
  const counts: number[] = []
  let seq = 1
  const readOn = (): void => {
    for (;;) {
      const entries = archive.reader.read({ epoch: 0, seq }, { entries: 100, bytes: 65536 })
      if (entries.length === 0) return
      counts.push(...countsOf(entries))
      seq = entries.at(-1)!.position.seq + 1
    }
  }
  readOn()
  written(11, 1500)
  archive.look()
  expect(archive.segments.length).toBeGreaterThan(2)
  readOn()
  expect(archive.damages).toEqual([])
  expect(counts).toEqual(Array.from({ length: 1500 }, (_, at) => at + 1))
  await archive.close()
})
