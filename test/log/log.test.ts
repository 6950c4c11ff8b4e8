/** The log in LMDB, held to the contract and to what it promises beyond. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { openLog } from '../../src/log/log.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { logSuite } from '../contracts/log-suite.ts'
import { MemoryLog } from '../contracts/memory-log.ts'
import { Said } from './batches.ts'

const folder = mkdtempSync(join(tmpdir(), 'fieldgate-log-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let number = 0

logSuite('LMDB', async () => {
  const log = await openLog({
    path: join(folder, String(++number)),
    quotaBytes: 2 ** 30,
    commitEveryMs: 0,
    evict: 'oldest',
    clock: new SystemClock(),
    log: new Said(),
  })
  return {
    writer: log.writer,
    reader: log.reader,
    cursor: (name, options) => log.cursor(name, options),
    close: () => log.close(),
  }
})

logSuite('memory', async () => {
  const log = new MemoryLog()
  return {
    writer: log.writer,
    reader: log.reader,
    cursor: async (name, options) => log.cursor(name, options),
    close: async () => undefined,
  }
})
