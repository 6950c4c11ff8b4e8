/** A process may have been killed between naming a segment and making the name durable: whoever goes on writing does that first.
 *  Otherwise a power cut takes the name, and with it all that was stored behind it since. */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { openLog } from '../../src/log/log.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { counted, groupOf, Said } from './batches.ts'

const { openSync, fsyncSync, closeSync } = fs
const path = fs.mkdtempSync(join(tmpdir(), 'fieldgate-reopened-'))
afterEach(() => {
  Object.assign(fs, { openSync, fsyncSync, closeSync })
  syncBuiltinESMExports()
  fs.rmSync(path, { recursive: true, force: true })
})

const opened = () =>
  openLog({ path, quotaBytes: 2 ** 30, commitEveryMs: 0, evict: 'oldest', clock: new SystemClock(), log: new Said() })

it('a log that is opened again has the names of its segments durable before anything is stored', async () => {
  const press = groupOf('press', 4)
  const first = await opened()
  await first.writer.append(counted(press, 1))
  await first.close()

  const open = new Map<number, string>()
  const synced = new Set<string>()
  Object.assign(fs, {
    openSync: (file: string, ...rest: [string]) => {
      const fd = openSync(file, ...rest)
      open.set(fd, file)
      return fd
    },
    fsyncSync: (fd: number) => {
      fsyncSync(fd)
      synced.add(open.get(fd) ?? '')
    },
    closeSync: (fd: number) => {
      open.delete(fd)
      closeSync(fd)
    },
  })
  syncBuiltinESMExports()
  const again = await opened()
  expect([...synced]).toContain(join(path, 'segments'))
  await again.writer.append(counted(press, 2))
  await again.close()
})
