import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fieldgate } from './fieldgate.ts'

describe('fieldgate lights --stopped', () => {
  it('says why the service ended, also when its configuration is broken', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fieldgate-lights-'))
    const file = join(folder, 'gateway.yaml')
    writeFileSync(file, 'board: [nonsense\n  : }\nlog: 7\n')
    const { status, out } = await fieldgate(['lights', '--stopped', '--config', file], {
      env: { SERVICE_RESULT: 'watchdog', EXIT_CODE: 'killed', EXIT_STATUS: 'ABRT' },
    })
    expect(out).toContain('SYS: the service hung')
    expect(status).toBe(0)
  })
})
