/** An LMDB environment as the log uses it: binary keys and values, every commit synced, nothing cached. */
import { open, type RootDatabase } from 'lmdb'
import { Reason } from '../contracts/batch.ts'
import { Rejected, Retryable, sentence } from '../contracts/errors.ts'
import { damaged } from './bytes.ts'
import { ready } from './database-file.ts'
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

  /** Throws Rejected when the file is not a whole database, Retryable when it cannot be opened now. */
  constructor(options: { readonly path: string; readonly mapBytes: number; readonly readOnly: boolean }) {
    this.path = options.path
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

/** What LMDB says, by remedy: a file that is not what it should be is never opened again. */
function faultOf(thrown: unknown, what: string): Error {
  if (thrown instanceof Rejected || thrown instanceof Retryable) return thrown
  const text = sentence(thrown)
  if (/MDB_(CORRUPTED|INVALID|PAGE_NOTFOUND|VERSION_MISMATCH|PANIC)/.test(text)) return damaged(`${what}: ${text}`)
  return new Retryable(`${what}: ${text}`, { reason: Reason.notYet, cause: thrown })
}
