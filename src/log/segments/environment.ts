/** An LMDB environment as the log uses it: binary keys and values, every commit synced, nothing cached. */
import { statSync } from 'node:fs'
import { open, type RootDatabase } from 'lmdb'
import { Reason } from '../../contracts/batch.ts'
import { Rejected, Retryable, sentence } from '../../contracts/errors.ts'
import { damaged } from '../records/bytes.ts'
import { checkPages, ready } from './database-file.ts'
import { cutErrorText } from './error-text.ts'

/** One name for all: lmdb-js keeps the last environment of each file name for ever, so there is one file name. */
export const DATABASE_FILE = 'log.mdb'

/** Whether a disk that refuses a write is told to us and cannot end the process. */
export const writeErrorsAreTold = cutErrorText() !== 'long'

export interface Put {
  readonly key: Buffer
  readonly value: Uint8Array
}

export class Environment {
  /** Where it is at present. */
  path: string
  readonly #database: RootDatabase<Uint8Array, Uint8Array>
  readonly #readOnly: boolean
  /** Its file as of our last look: who but us changes it damages it. */
  #bytes = 0
  #changedAt = 0
  /** It is we who change it at present. */
  #commits = false

  /** Throws Rejected when the file is not a whole database, Retryable when it cannot be opened now. */
  constructor(options: { readonly path: string; readonly mapBytes: number; readonly readOnly: boolean }) {
    this.path = options.path
    this.#readOnly = options.readOnly
    try {
      ready(options.path, options)
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
      this.#note()
    } catch (thrown) {
      throw faultOf(thrown, `${options.path} cannot be opened`)
    }
  }

  /** Throws Rejected when the file was damaged since it was opened: a map of it would end the process. False: it is gone, and
   *  what is mapped is all there is. Not for what another process writes. */
  verify(): boolean {
    const stat = statSync(this.path, { throwIfNoEntry: false })
    if (stat === undefined) return false
    if (this.#commits) return true
    if (stat.mtimeMs === this.#changedAt && stat.size === this.#bytes) return true
    if (stat.size < this.#bytes) throw damaged(`${this.path} was cut short while it was in use`)
    // What we write on is ours alone.
    if (!this.#readOnly) throw damaged(`${this.path} was changed by another program while it was in use`)
    checkPages(this.path)
    this.#note()
    return true
  }

  #note(): void {
    const stat = statSync(this.path, { throwIfNoEntry: false })
    this.#bytes = stat?.size ?? 0
    this.#changedAt = stat?.mtimeMs ?? 0
  }

  /** All in one transaction; resolves when it is synced. Throws Retryable. The values must stay as they are until then. */
  async commit(puts: readonly Put[], removals: readonly Buffer[] = []): Promise<void> {
    if (puts.length === 0 && removals.length === 0) return
    // Of a commit that cannot begin lmdb-js (3.5.6) says nothing, for ever.
    if (this.#readOnly) throw new Retryable(`${this.path} is open for reading only`, { reason: Reason.notYet })
    this.#commits = true
    try {
      await this.#database.batch(() => {
        for (const { key, value } of puts) this.#database.put(key, value)
        for (const key of removals) this.#database.remove(key)
      })
      this.#note()
    } catch (thrown) {
      const { commitError } = thrown as { commitError?: Promise<never> }
      // It rejects as well, and would end the process unheard.
      const cause = await commitError?.catch((reason: unknown) => reason)
      throw faultOf(cause ?? thrown, `${this.path} cannot be written`)
    } finally {
      this.#commits = false
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

  /** What is read from now on is as of now. A view that was taken lasts until the next turn of the timers. */
  renew(): void {
    this.#database.resetReadTxn()
  }

  /** Frees the slots of readers that were killed in the middle of a look: they would keep old pages from being used again. */
  forgetDeadReaders(): void {
    this.#database.readerCheck()
  }

  async close(): Promise<void> {
    await this.#database.close()
  }
}

/** What LMDB says, by remedy: a file that is not what it should be is never opened again. */
function faultOf(thrown: unknown, what: string): Error {
  if (thrown instanceof Rejected || thrown instanceof Retryable) return thrown
  // Where in the file it happened helps nobody.
  const text = sentence(thrown).replace(/: Attempting to write page.*$/, '')
  if (/MDB_(CORRUPTED|INVALID|PAGE_NOTFOUND|VERSION_MISMATCH|PANIC)/.test(text)) return damaged(`${what}: ${text}`)
  return new Retryable(`${what}: ${text}`, { reason: Reason.notYet, cause: thrown })
}
