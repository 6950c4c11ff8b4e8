/** The frame decoders against the plain judge of the fuzz and against modbus-serial; and the fuzz against decoders that are
 *  broken on purpose, to see that it would notice. `npm run fuzz` is the long run. */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const SOURCE = join(import.meta.dirname, '../../../../src')
const FIXED_SEED = '20260101'

function fuzz(...words: string[]): Promise<{ status: number | null; said: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'run.ts'), '--seed', FIXED_SEED, ...words])
    let said = ''
    child.stdout.on('data', (chunk) => (said += chunk))
    child.stderr.on('data', (chunk) => (said += chunk))
    child.once('close', (status) => resolve({ status, said }))
  })
}

test('a million frames: no wrong value, none lost, no crash, no hang', async () => {
  const { status, said } = await fuzz('--frames', '1000000')
  console.log(said.trimEnd())
  expect(said).toMatch(/wrong 0, lost 0, crashes 0, hangs 0\n$/)
  expect(status).toBe(0)
}, 180_000)

describe('a decoder is found out', () => {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'fieldgate-fuzz-'))
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test.each([
    ['that does not look at the CRC', 'frames/crc.ts', /return bytes\[to - 2\].*/, 'return true', /wrong [1-9]/],
    ['that takes any unit', 'line/rtu-ear.ts', /\(!this\.#checkUnit \|\| [^)]*\)/, 'true', /wrong [1-9]/],
    [
      'that takes the echo for the confirmation',
      'line/rtu-ear.ts',
      /if \(this\.#echoed \|\| this\.echoes === false.*/,
      'if (true) return -1',
      /wrong [1-9]/,
    ],
    ['that takes a reply of another length', 'frames/pdu.ts', /if \(length !== replyLengthAt.*/, '', /wrong [1-9]/],
    [
      'that takes any confirmation of a write',
      'frames/pdu.ts',
      'Verdict.wrongEcho\n',
      'Verdict.answer\n',
      /wrong [1-9]/,
    ],
    [
      'that gives an answer to another transaction',
      'network/tcp-link.ts',
      '#pending.get(id)',
      '#pending.get(id ^ 1)',
      /wrong [1-9]/,
    ],
    [
      'that does not look at the protocol',
      'frames/mbap.ts',
      'bytes[at + 2] !== 0 || bytes[at + 3] !== 0 ||',
      '',
      /wrong [1-9]/,
    ],
    ['that forgets half frames', 'frames/mbap.ts', 'this.#partialBytes = bytes - used', '', /lost [1-9]/],
    [
      'that stumbles',
      'frames/rtu-frame.ts',
      'let same = 0',
      'let same = 0\nif (end === 9) throw new Error()',
      /crashes [1-9]/,
    ],
    ['that goes in circles', 'line/rtu-ear.ts', 'this.#consume(at + length, false)', '', /hangs 1/],
  ] as const)(
    '%s',
    async (name, file, sound, broken, finding) => {
      const source = join(folder, name.replaceAll(' ', '-'))
      cpSync(SOURCE, source, { recursive: true })
      const path = join(source, 'southbound/modbus', file)
      const before = readFileSync(path, 'utf8')
      const after = before.replace(sound, broken)
      expect(after, 'the sources changed: break them anew').not.toBe(before)
      writeFileSync(path, after)
      const { status, said } = await fuzz('--frames', '20000', '--source', source)
      expect(said).toMatch(finding)
      expect(status).toBe(1)
    },
    60_000,
  )
})
