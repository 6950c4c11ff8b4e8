/** An LMDB environment as the log uses it: binary keys and values, every commit synced, nothing cached. */
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
} from 'node:fs'
import { open, type RootDatabase } from 'lmdb'
import { Reason } from '../contracts/batch.ts'
import { Rejected, Retryable, sentence } from '../contracts/errors.ts'
import { damaged } from './bytes.ts'

/** One name for all: lmdb-js keeps the last environment of each file name for ever, so there is one file name. */
export const DATABASE_FILE = 'log.mdb'

export interface Put {
  readonly key: Buffer
  readonly value: Uint8Array
}

export class Environment {
  readonly path: string
  readonly #database: RootDatabase<Uint8Array, Uint8Array>

  /** Throws Rejected when the file is not a whole database, Retryable when it cannot be opened now. */
  constructor(options: { readonly path: string; readonly mapBytes: number; readonly readOnly: boolean }) {
    this.path = options.path
    try {
      const exists = existsSync(options.path)
      if (exists) checkFile(options.path, options.readOnly)
      // Without the right to write its reader slot LMDB reads on silently, while pages change under it.
      if (options.readOnly) accessSync(`${options.path}-lock`, constants.R_OK | constants.W_OK)
      this.#database = open<Uint8Array, Uint8Array>({
        path: options.path,
        noSubdir: true,
        readOnly: options.readOnly,
        mapSize: options.mapBytes,
        maxDbs: 1,
        encoding: 'binary',
        keyEncoding: 'binary',
        cache: false,
        compression: false,
        // One batch is one transaction, and has one promise. Left to itself lmdb-js makes a second that nobody hears: a
        // disk error would end the process.
        eventTurnBatching: false,
        // With a second process reading, the default spins for ever inside mdb_txn_commit (lmdb 3.5.6).
        overlappingSync: false,
      })
      if (!exists) shareWithGroup(options.path)
    } catch (thrown) {
      throw faultOf(thrown, `${options.path} cannot be opened`)
    }
  }

  /** All in one transaction; resolves when it is synced. Throws Retryable. The values must stay as they are until then. */
  async commit(puts: readonly Put[], removals: readonly Buffer[] = []): Promise<void> {
    if (puts.length === 0 && removals.length === 0) return
    try {
      await this.#database.batch(() => {
        for (const { key, value } of puts) this.#database.put(key, value)
        for (const key of removals) this.#database.remove(key)
      })
    } catch (thrown) {
      const { commitError } = thrown as { commitError?: Promise<never> }
      // It rejects as well, and would end the process unheard.
      const cause = await commitError?.catch((reason: unknown) => reason)
      throw faultOf(cause ?? thrown, `${this.path} cannot be written`)
    }
  }

  /** Valid until the next read of any environment: decode at once, or copy. */
  get(key: Uint8Array): Uint8Array | undefined {
    try {
      const bytes = this.#database.getBinaryFast(key)
      // The buffer behind it is larger than it says, and is used again.
      return bytes && new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    } catch (thrown) {
      throw faultOf(thrown, `${this.path} cannot be read`)
    }
  }

  /** The last pair whose key is not above `key`, nor below `lowest`. */
  floor(key: Buffer, lowest: Buffer): Put | undefined {
    try {
      for (const pair of this.#database.getRange({
        start: key,
        end: lowest,
        inclusiveEnd: true,
        reverse: true,
        limit: 1,
      })) {
        return { key: pair.key as Buffer, value: pair.value }
      }
      return undefined
    } catch (thrown) {
      throw faultOf(thrown, `${this.path} cannot be read`)
    }
  }

  /** Pairs from `from` up to but without `to`; copies. */
  *range(from: Buffer, to: Buffer, options: { readonly reverse?: boolean } = {}): Iterable<Put> {
    try {
      const bounds = options.reverse
        ? { start: to, end: from, inclusiveEnd: true, reverse: true }
        : { start: from, end: to }
      for (const pair of this.#database.getRange(bounds)) yield { key: pair.key as Buffer, value: pair.value }
    } catch (thrown) {
      throw faultOf(thrown, `${this.path} cannot be read`)
    }
  }

  /** Frees the slots of readers that were killed in the middle of a look: they would keep old pages from being used again. */
  forgetDeadReaders(): void {
    this.#database.readerCheck()
  }

  async close(): Promise<void> {
    await this.#database.close()
  }
}

/** The other half reads, and takes its reader's slot: under another user, of the same group. */
function shareWithGroup(path: string): void {
  chmodSync(path, 0o640)
  chmodSync(`${path}-lock`, 0o660)
}

/** What LMDB says, by remedy: a file that is not what it should be is never opened again. */
function faultOf(thrown: unknown, what: string): Error {
  if (thrown instanceof Rejected || thrown instanceof Retryable) return thrown
  const text = sentence(thrown)
  if (/MDB_(CORRUPTED|INVALID|PAGE_NOTFOUND|VERSION_MISMATCH|PANIC)/.test(text)) return damaged(`${what}: ${text}`)
  return new Retryable(`${what}: ${text}`, { reason: Reason.notYet, cause: thrown })
}

const PAGE = 4096
/** Where a meta page keeps these (LMDB's struct MDB_meta behind its 24 bytes of page header). */
const META = { magic: 24, lastPage: 144, txn: 152, bytes: 168 } as const
const MAGIC = 0xbeefc0de
/** Pages at the end that were freed in the commit that made them are never written. */
const NEVER_WRITTEN = 16

/** A mapped file that ends before its last page kills the process at the first touch: so that is found out before. */
function checkFile(path: string, readOnly: boolean): void {
  const file = openSync(path, readOnly ? 'r' : 'r+')
  try {
    const size = fstatSync(file).size
    if (size === 0) return
    const bytes = Buffer.alloc(PAGE + META.bytes)
    readSync(file, bytes, 0, bytes.length, 0)
    const metas = [0, PAGE].filter((at) => bytes.readUInt32LE(at + META.magic) === MAGIC)
    if (metas.length === 0) throw damaged(`${path} does not begin as a database does`)
    const newest = metas.reduce((a, b) =>
      bytes.readBigUInt64LE(a + META.txn) >= bytes.readBigUInt64LE(b + META.txn) ? a : b,
    )
    const pages = Number(bytes.readBigUInt64LE(newest + META.lastPage)) + 1
    const missing = pages - Math.floor(size / PAGE)
    if (missing > NEVER_WRITTEN) throw damaged(`${path} is ${missing} pages shorter than it says`)
    if (missing > 0 && !readOnly) ftruncateSync(file, pages * PAGE)
  } finally {
    closeSync(file)
  }
}
