import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Summary } from '../../../src/cli/demo/summary.ts'
import { fieldgate } from '../fieldgate.ts'

const temporary = mkdtempSync(join(tmpdir(), 'demo-test-'))
afterAll(() => rmSync(temporary, { recursive: true, force: true }))

describe('the demo', () => {
  it('loses nothing over a pulled cable and a dead device, by the devices’ own numbers, and leaves nothing behind', async () => {
    const { status, out, err } = await fieldgate(['demo', '--for', '6s', '--json'], { env: { TMPDIR: temporary } })
    const summary = JSON.parse(out) as Summary
    expect(summary, err).toMatchObject({ ok: true, missing: 0, pending: 0, evicted: 0, cablePulls: 1, deviceDeaths: 1 })
    expect(status).toBe(0)
    expect(summary.delivered).toBe(summary.stored)
    expect(summary.largestBacklog).toBeGreaterThan(5)
    // Each device was read, on the line too.
    for (const { handedOut } of summary.sequences) expect(handedOut).toBeGreaterThan(1)
    expect(readdirSync(temporary).filter((name) => name.startsWith('fieldgate-demo-'))).toEqual([])
  })

  it('answers a duration it cannot read with status 2', async () => {
    const { status, out, err } = await fieldgate(['demo', '--for', 'twenty'])
    expect({ status, out }).toEqual({ status: 2, out: '' })
    expect(err).toContain('20s')
  })
})
