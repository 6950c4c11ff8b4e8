/** What is not answered, and what is said instead. */
import type { IncomingHttpHeaders } from 'node:http'
import { isOurName } from './names.ts'

export interface Refusal {
  readonly counter: 'refusedHosts' | 'refusedMethods' | 'refusedPaths' | 'refusedRates' | 'badRequests'
  readonly status: number
  readonly text: string
  readonly headers?: Readonly<Record<string, string>>
}

interface Request {
  readonly method: string | undefined
  readonly url: string
  readonly headers: IncomingHttpHeaders
}

const LONGEST_URL = 512

export const TOO_MANY: Refusal = {
  counter: 'refusedRates',
  status: 429,
  text: 'too many requests',
  headers: { 'retry-after': '1' },
}

/** undefined: it is answered. `names`: the box's own. */
export function refusalOf(
  { method, url, headers }: Request,
  { names, paths }: { readonly names: readonly string[]; readonly paths: readonly string[] },
): Refusal | undefined {
  if (!isOurName(headers.host, names)) {
    return { counter: 'refusedHosts', status: 421, text: 'this box has no such name: ask it by its address' }
  }
  if (method !== 'GET' && method !== 'HEAD') {
    return { counter: 'refusedMethods', status: 405, text: 'only GET and HEAD', headers: { allow: 'GET, HEAD' } }
  }
  if (url.length > LONGEST_URL) {
    return { counter: 'badRequests', status: 414, text: `an address has at most ${LONGEST_URL} characters` }
  }
  // Whoever only looks sends nothing along.
  if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) {
    return { counter: 'badRequests', status: 413, text: 'nothing is taken here' }
  }
  if (paths.includes(url.split('?', 1)[0]!)) return undefined
  return { counter: 'refusedPaths', status: 404, text: `there are ${paths.join(', ')}` }
}
