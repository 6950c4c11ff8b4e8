/** Readers that wait for the next entry. */
import type { Position } from '../../contracts/log.ts'

export class Waiting {
  readonly #waiting = new Set<{ readonly after: number; readonly resolve: () => void }>()

  /** Resolves when there is an entry after `after`; rejects with the signal's reason. */
  next(after: Position, head: () => Position, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      if (head().seq > after.seq) return resolve()
      const abort = (): void => {
        this.#waiting.delete(waiting)
        reject(signal.reason)
      }
      const waiting = {
        after: after.seq,
        resolve: () => {
          signal.removeEventListener('abort', abort)
          resolve()
        },
      }
      this.#waiting.add(waiting)
      signal.addEventListener('abort', abort, { once: true })
    })
  }

  /** Entries up to `head` are there. */
  wake({ seq }: Position): void {
    for (const waiting of this.#waiting) {
      if (waiting.after >= seq) continue
      this.#waiting.delete(waiting)
      waiting.resolve()
    }
  }
}
