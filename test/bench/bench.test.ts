/** Benches are not tests: here they run small, to see that they work and say what they must. What they find is not judged. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  'log-append': [],
  'log-drain': [],
  startup: [],
  plan: [],
  leds: [],
  ledger: [],
  'poll-tcp': ['/usr/include/modbus/modbus.h', '/usr/bin/cc'],
  'rtu-line': ['/usr/bin/socat', '/usr/bin/cc'],
  latency: ['/usr/sbin/mosquitto'],
  jitter: ['/usr/sbin/mosquitto'],
  footprint: ['/usr/sbin/mosquitto'],
  saturation: ['/usr/sbin/mosquitto', '/usr/bin/taskset'],
}

function bench(name: string): Promise<{ status: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(ROOT, 'scripts/bench.ts'), name, '--small', '--json'])
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk) => {
      stdout += chunk
    })
    child.stderr.on('data', (chunk) => {
      stderr += chunk
    })
    child.once('close', (status) => resolve({ status, stdout, stderr }))
  })
}

describe('the bench', () => {
  for (const [name, needs] of Object.entries(NEEDS)) {
    const absent = needs.filter((peer) => !existsSync(peer))
    if (absent.length > 0) console.error(`SKIPPED: bench ${name}, for want of ${absent.join(', ')}`)
    it.skipIf(absent.length > 0)(
      `${name} prints one JSON document with its target and its verdict`,
      async () => {
        const { status, stdout, stderr } = await bench(name)
        expect(stderr).toBe('')
        expect(status).toBe(0)
        expect(stdout.trimEnd().split('\n')).toHaveLength(1)
        const result = JSON.parse(stdout) as { bench: string; target: string; verdict: string }
        expect(result.bench).toBe(name)
        expect(result.target.length).toBeGreaterThan(10)
        expect(['met', 'missed']).toContain(result.verdict)
      },
      120_000,
    )
  }

  it('that there is not is refused with the names of those there are', async () => {
    const { status, stderr } = await bench('nothing')
    expect(status).toBe(2)
    expect(stderr).toContain('poll-tcp')
  })
})
