import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { NotebookFile } from '../../src/log/notebook.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fieldgate-notebook-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const said: string[] = []
const log = { debug() {}, info() {}, warn: (text: string) => said.push(text), error() {} }
const open = (clock = new ManualClock()) => NotebookFile.open({ folder, clock, log })

it('gives after a restart what was put, and writes once for all that was put together', async () => {
  const clock = new ManualClock()
  const notebook = await open(clock)
  notebook.put('bus/a', { facts: [1, 2] })
  notebook.put('bus/b', 'x')
  expect(readdirSync(folder)).toEqual([])
  await clock.advance(3000)
  await notebook.close()
  expect(readdirSync(folder)).toEqual(['knowledge.json'])
  const again = await open()
  expect(again.get('bus/a')).toEqual({ facts: [1, 2] })
  again.keepOnly(new Set(['bus/b']))
  expect(again.get('bus/a')).toBeUndefined()
})

it('writes what is pending when it is closed', async () => {
  const notebook = await open()
  notebook.put('bus/a', 1)
  await notebook.close()
  expect((await open()).get('bus/a')).toBe(1)
})

it.each(['', '{"version": 1, "pages"', 'null', '[]', '{"version": 2, "pages": {}}'])(
  'begins empty with a line when the file holds %j',
  async (text) => {
    said.length = 0
    writeFileSync(join(folder, 'knowledge.json'), text)
    const notebook = await open()
    expect(notebook.get('bus/a')).toBeUndefined()
    expect(said).toEqual([expect.stringContaining('is not used, what it says of devices is learnt anew')])
  },
)

it('keeps its size: what would be too large is not written, and is said', async () => {
  said.length = 0
  const notebook = await open()
  notebook.put('bus/a', 1)
  await notebook.close()
  notebook.put('bus/a', 'x'.repeat(2_000_000))
  await notebook.close()
  expect(readFileSync(join(folder, 'knowledge.json'), 'utf8')).toContain('"bus/a":1')
  expect(said).toEqual([expect.stringContaining('is not kept')])
})

it('says when it cannot write, and goes on', async () => {
  said.length = 0
  writeFileSync(join(folder, 'file'), '')
  const notebook = await NotebookFile.open({ folder: join(folder, 'none'), clock: new ManualClock(), log })
  rmSync(folder, { recursive: true })
  writeFileSync(folder, 'a file where the folder was')
  notebook.put('bus/a', 1)
  await notebook.close()
  expect(said).toEqual([expect.stringContaining('could not be written')])
  expect(notebook.get('bus/a')).toBe(1)
})
