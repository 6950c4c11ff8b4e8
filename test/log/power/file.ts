/** A file below a recording, and what is in it after a cut. */
import type { Choice } from './disk.ts'

const SECTOR = 512

export interface File {
  readonly kind: 'file'
  readonly path: string
  readonly changes: Change[]
}

export interface Op {
  /** The step that did it. */
  readonly step: number
  /** The step that made it durable. */
  durable: number
}

/** Of a file. `data` null: cut, or stretched, to `at` bytes. */
export interface Change extends Op {
  readonly at: number
  readonly data: Buffer | null
}

export type Fate = 'kept' | 'lost' | 'torn'

export function bytesOf(
  file: File,
  steps: number,
  fates: ReadonlyMap<Change, Fate>,
  { size, locks, random }: Choice,
): Buffer {
  let bytes = Buffer.alloc(0)
  let length = 0
  let long = 0
  let short = 0
  const reach = (end: number): void => {
    if (end > bytes.length) {
      const more = Buffer.alloc(Math.max(end, 2 * bytes.length))
      bytes.copy(more, 0, 0, length)
      bytes = more
    }
    length = Math.max(length, end)
  }
  for (const change of file.changes) {
    const { at, data, step } = change
    if (step >= steps) break
    const fate = fates.get(change)
    long = data === null ? at : Math.max(long, at + data.length)
    if (fate === undefined) short = data === null ? at : Math.max(short, at + data.length)
    if (fate === 'lost') continue
    if (data === null) {
      bytes.fill(0, Math.min(at, length), length)
      length = 0
      reach(at)
      continue
    }
    for (let from = 0; from < data.length; ) {
      const to = Math.min(data.length, from + SECTOR - ((at + from) % SECTOR))
      if (fate !== 'torn' || random() < 0.5) {
        reach(at + to)
        data.copy(bytes, at + from, from, to)
      }
      from = to
    }
  }
  if (size === 'long') reach(long)
  if (size === 'short') length = Math.min(length, short)
  const whole = Buffer.from(bytes.subarray(0, length))
  if (file.path.endsWith('-lock') && locks === 'noise') {
    for (let at = 0; at < length; at++) whole[at] = Math.floor(random() * 256)
  }
  return whole
}
