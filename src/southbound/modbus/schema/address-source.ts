/** Addresses of what is no area of registers: queues, `fifo:1234` (FC24), and files of records, `file:1/0/10` (FC20). Pure. */

import { LIMITS } from '../settings.ts'
import type { Problem } from './address.ts'

export type SourceAddress =
  | { readonly area: 'fifo'; readonly address: number }
  /** `length`: registers from the record on; null: as many as the value has. */
  | { readonly area: 'file'; readonly file: number; readonly address: number; readonly length: number | null }

const last = LIMITS.addresses - 1
const number = '(0x[0-9a-f]+|\\d+)'
const FIFO = new RegExp(`^fifo:${number}$`, 'i')
const FILE = new RegExp(`^file:${number}/${number}(?:/${number})?$`, 'i')

/** Whether somebody means such an address; what is wrong with it `parseSource` says. */
export function meansSource(written: unknown): written is string {
  return typeof written === 'string' && /^\s*(fifo|file)\s*:/i.test(written)
}

export function parseSource(written: string): SourceAddress | Problem {
  const text = written.trim()
  const queue = FIFO.exec(text)
  if (queue !== null) {
    const address = Number(queue[1])
    return address <= last ? { area: 'fifo', address } : { problem: `"${text}": a FIFO's address is 0 to ${last}` }
  }
  const records = FILE.exec(text)
  if (records === null) {
    return { problem: `"${text}": expected fifo:1234, or file:1/0/10 for ten registers from record 0 of file 1` }
  }
  const [file, address] = [Number(records[1]), Number(records[2])]
  const length = records[3] === undefined ? null : Number(records[3])
  if (file < 1 || file > last) return { problem: `"${text}": files are numbered from 1 to ${last}` }
  if (address > last) return { problem: `"${text}": records are numbered from 0 to ${last}` }
  if (length !== null && (length < 1 || length > LIMITS.readRecord)) {
    return { problem: `"${text}": one request reads 1 to ${LIMITS.readRecord} registers of a file` }
  }
  return { area: 'file', file, address, length }
}

/** `fifo:1234`, `file:1/0/10`. */
export function formatSource(area: 'fifo' | 'file', address: number, length: number, file: number): string {
  return area === 'fifo' ? `fifo:${address}` : `file:${file}/${address}/${length}`
}
