import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runHook } from '../../src/cli/run/hook.ts'

function folder(program: string, script: string): string {
  const made = mkdtempSync(join(tmpdir(), 'fieldgate-hooks-'))
  writeFileSync(join(made, program), `#!/bin/sh\n${script}\n`)
  chmodSync(join(made, program), 0o755)
  return made
}

const told = async (...given: Parameters<typeof runHook>): Promise<string> => {
  const { begun, text } = await runHook(...given)
  return `${begun ? 'begun' : 'not begun'}: ${text}`
}

describe('what the box does on a gesture', () => {
  it('is a program of the image, whose last line is told', async () => {
    expect(await told('set-up', folder('setup', 'echo one; echo asked for it'))).toBe(
      'begun: set-up was begun: asked for it',
    )
    expect(await told('factory-reset', folder('factory-reset', 'exit 0'))).toBe('begun: factory-reset was begun')
  })

  it('is nothing on a box that has no such program, and that is said', async () => {
    const said = await told('set-up', '/nonexistent')
    expect(said).toBe('not begun: there is no set-up on this box: /nonexistent/setup is not there')
  })

  it('that fails is said with its status and what it complained of', async () => {
    const made = folder('setup', 'echo the FAT partition is not there >&2; exit 7')
    expect(await told('set-up', made)).toBe(`not begun: ${made}/setup failed with 7: the FAT partition is not there`)
  })

  it('that may not be run is said', async () => {
    const made = folder('setup', 'exit 0')
    chmodSync(join(made, 'setup'), 0o644)
    expect(await told('set-up', made)).toContain('failed with EACCES')
  })
})
