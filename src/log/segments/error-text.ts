/** lmdb 3.5.6 words a failed write in up to 125 characters, into 100 bytes: a disk that refuses a write would end the
 *  process by a torn heap. Its sentence is cut short in this process's memory, so that it always fits. */
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'

const SENTENCE = 'Attempting to write page at position %u, size %u, blocks %u, buffer sizes %i %i %i'
/** Up to here it is 64 characters at most. */
const FITS = 'Attempting to write page at position %u, size %u'

/** Looks through what is mapped of a native module. `short` and `none`: it can do no harm, it fits or is not there.
 *  `long`: it could not be cut, the process may not write its own memory. */
export function cutErrorText(module = /\/node\.[^/]*\.node$/): 'short' | 'none' | 'long' {
  let found: 'short' | 'none' | 'long' = 'none'
  let memory: number | undefined
  try {
    for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
      const match = /^([0-9a-f]+)-([0-9a-f]+) r\S* \S+ \S+ \S+ +(.+)$/.exec(line)
      if (match === null || !module.test(match[3]!)) continue
      const [from, to] = [Number.parseInt(match[1]!, 16), Number.parseInt(match[2]!, 16)]
      memory ??= openSync('/proc/self/mem', 'r+')
      const bytes = Buffer.alloc(to - from)
      const size = readSync(memory, bytes, 0, bytes.length, from)
      const at = bytes.subarray(0, size).indexOf(SENTENCE)
      if (at < 0) {
        if (found === 'none' && bytes.indexOf(`${FITS}\0`) >= 0) found = 'short'
        continue
      }
      found = 'long'
      writeSync(memory, Buffer.alloc(1), 0, 1, from + at + FITS.length)
      found = 'short'
    }
  } catch {
    // What was found stands.
  } finally {
    if (memory !== undefined) closeSync(memory)
  }
  return found
}
