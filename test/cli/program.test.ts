import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { fieldgate } from './fieldgate.ts'

describe('the command line', () => {
  it('lists its commands and exit statuses, and ends with 0 when asked for help', async () => {
    const { status, out, err } = await fieldgate(['--help'])
    expect(status).toBe(0)
    expect(err).toBe('')
    for (const name of ['run', 'demo', 'check', 'plan', 'apply', 'status', 'values', 'read', 'write']) {
      expect(out).toMatch(new RegExp(`^  ${name} `, 'm'))
    }
    expect(out).toContain('4 nothing answered')
  })

  it('shows examples and the common options in a command’s help', async () => {
    const { status, out } = await fieldgate(['write', '--help'])
    expect(status).toBe(0)
    expect(out).toContain('fieldgate write oven/zones/setpoint 182.5')
    expect(out).toContain('--config <file>')
  })

  it('says its version', async () => {
    expect(await fieldgate(['--version'])).toEqual({
      status: 0,
      out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      err: '',
    })
  })

  it('answers an unknown command with the nearest one and status 2', async () => {
    const { status, out, err } = await fieldgate(['statsu'])
    expect(status).toBe(2)
    expect(out).toBe('')
    expect(err).toContain('unknown command')
    expect(err).toContain('status')
  })

  it('answers an unknown option with the nearest one and status 2', async () => {
    const { status, err } = await fieldgate(['values', '--folow'])
    expect(status).toBe(2)
    expect(err).toContain('--follow')
  })

  it('prints help to stderr and ends with 2 when no command is given', async () => {
    const { status, out, err } = await fieldgate([])
    expect(status).toBe(2)
    expect(out).toBe('')
    expect(err).toContain('Usage: fieldgate')
  })

  it('with --json puts one document on stdout also for a mistake in the line', async () => {
    const { status, out } = await fieldgate(['read', '--json'])
    expect(status).toBe(2)
    expect(JSON.parse(out)).toMatchObject({ ok: false, status: 2, error: expect.stringContaining('connection') })
  })

  it('is quiet when the reader of its output has gone', async () => {
    const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
    const child = spawn(process.execPath, [main, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.destroy()
    let err = ''
    child.stderr.on('data', (chunk) => {
      err += chunk
    })
    const [status] = await once(child, 'close')
    expect(err).toBe('')
    expect(status).toBe(0)
  })
})
