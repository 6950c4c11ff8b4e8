/** When certificates end. */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { CertificateFacts } from './language/facts.ts'

/** A file or the PEM text itself, and whose it is: `sink emqx`. */
export interface CertificateSource {
  readonly of: string
  readonly given: string
}

const DAY_MS = 86_400_000
const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

/** Of a file with several the one that ends first. What cannot be read is left out: whoever uses it says so. */
export async function certificates(
  sources: readonly CertificateSource[],
  now: number,
): Promise<readonly CertificateFacts[]> {
  const found = await Promise.all(sources.map((source) => endOf(source)))
  return found.flatMap((one) => (one === undefined ? [] : [{ name: one.name, daysLeft: (one.end - now) / DAY_MS }]))
}

async function endOf({ of, given }: CertificateSource): Promise<{ name: string; end: number } | undefined> {
  try {
    const isText = given.includes('-----BEGIN')
    const text = isText ? given : await readFile(given, 'utf8')
    const ends = (text.match(PEM) ?? []).map((pem) => new X509Certificate(pem).validToDate.getTime())
    if (ends.length === 0) return undefined
    return { name: isText ? of : `${of} (${basename(given)})`, end: Math.min(...ends) }
  } catch {
    return undefined
  }
}
