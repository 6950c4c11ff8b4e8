import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { certificates } from '../../src/health/certificates.ts'

const folder = mkdtempSync(join(tmpdir(), 'fieldgate-certificates-'))

/** A file with a certificate that ends so many days after it was made. */
function made(name: string, days: number): string {
  const file = join(folder, `${name}.pem`)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${file}.key`]
  const words = ['req', '-x509', ...key, '-subj', `/CN=${name}`, '-days', String(days), '-out', file]
  execFileSync('/usr/bin/openssl', words, { stdio: 'ignore' })
  return file
}

describe('certificates', () => {
  const now = Date.now()

  it('are counted by the days they still last, from a file or from their text', async () => {
    const file = made('client', 20)
    const found = await certificates(
      [
        { of: 'sink emqx', given: file },
        { of: 'sink b', given: readFileSync(file, 'utf8') },
      ],
      now,
    )
    expect(found.map(({ name, daysLeft }) => [name, Math.round(daysLeft)])).toEqual([
      ['sink emqx (client.pem)', 20],
      ['sink b', 20],
    ])
    expect((await certificates([{ of: 'sink emqx', given: file }], now + 30 * 86_400_000))[0]!.daysLeft).toBeLessThan(
      -9,
    )
  })

  it('of a bundle count by the one that ends first', async () => {
    const file = join(folder, 'bundle.pem')
    writeFileSync(file, readFileSync(made('root', 900), 'utf8') + readFileSync(made('middle', 10), 'utf8'))
    expect(Math.round((await certificates([{ of: 'sink a', given: file }], now))[0]!.daysLeft)).toBe(10)
  })

  it('that cannot be read are their user’s to complain of', async () => {
    writeFileSync(join(folder, 'none.pem'), 'hello')
    const sources = [
      '/nonexistent.pem',
      join(folder, 'none.pem'),
      '-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----',
    ]
    expect(
      await certificates(
        sources.map((given) => ({ of: 'x', given })),
        now,
      ),
    ).toEqual([])
  })
})
