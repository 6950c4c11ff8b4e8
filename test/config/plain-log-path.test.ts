import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { logPathOf } from '../../src/config/sockets.ts'

const folder = mkdtempSync(join(tmpdir(), 'fieldgate-log-path-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const SECTIONS = [
  'log: { path: /data/log, quota: 64MiB }',
  'log: { quota: 64MiB, path: /data/log } # on the large disk',
  'log:\n  quota: 64MiB\n  # the large disk\n  path: /data/log # here',
  'log:\r\n  path: /data/log\r\n',
  'log:\n  path: "/data/with # and space"',
  'log: { path: "/data/a, b" }',
  "log: { 'path': /data/log }",
  'log:\n  path: /data/long\n    name',
  'log:\n  path: /data/with space',
  'log:\n  path: &where /data/log',
  'log:\n  path: |-\n    /data/log',
  'log: {\n  path: /data/log\n}',
  'log:\n  path: /data/log\ngateway: { id: after }',
] as const

describe('the folder of the log', () => {
  it.each(SECTIONS)('is read as the parser would: %j', (section) => {
    const file = join(folder, 'gateway.yaml')
    writeFileSync(file, `gateway: { id: before }\n${section.replace(/\ngateway.*/, '\nboard: virt')}\n`)
    expect(logPathOf(file, {})).toBe((parse(section) as { log: { path: string } }).log.path)
  })

  it.each(['', 'log: { quota: 64MiB }', 'log:\n  quota: 64MiB', 'log:'])(
    'is the usual one where none is said: %j',
    (section) => {
      const file = join(folder, 'gateway.yaml')
      writeFileSync(file, `${section}\n`)
      expect(logPathOf(file, {})).toBe('/var/lib/fieldgate/log')
    },
  )
})
