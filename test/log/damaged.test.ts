import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { moveAside } from '../../src/log/folder/damaged.ts'

const root = mkdtempSync(join(tmpdir(), 'fieldgate-damaged-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

it('keeps the newest of what was moved aside, each under a name of its own', () => {
  const path = join(root, 'readers')
  let last = ''
  for (let turn = 1; turn <= 11; turn++) {
    mkdirSync(path)
    writeFileSync(join(path, 'log.mdb'), String(turn))
    last = moveAside(root, path)
    expect(existsSync(path)).toBe(false)
    expect(readFileSync(join(last, 'log.mdb'), 'utf8')).toBe(String(turn))
  }
  expect(readdirSync(join(root, 'damaged'))).toHaveLength(8)
  // Both halves move what is theirs, under users of one group.
  expect(statSync(join(root, 'damaged')).mode & 0o7777).toBe(0o2770)
})
