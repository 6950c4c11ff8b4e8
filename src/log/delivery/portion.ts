/** How many entries of a backlog one call carries, so that what is live meanwhile does not wait long for its end. */

/** What the entries of one call may take. */
const LONGEST_MS = 500
/** Fewer entries than this part of a call would cost a slow link more than live values gain. */
const LEAST = 1 / 20
/** Calls after which the shortest one is looked for anew: a link may have become longer. */
const SPAN = 16

export class Portion {
  readonly #most: number
  readonly #fewest: number
  #entries: number
  /** The shortest call of this span and of the one before: what the way there and back takes, which fewer entries do not shorten. */
  #shortest = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  #calls = 0

  constructor(options: { readonly most: number }) {
    this.#most = options.most
    this.#fewest = Math.max(1, Math.ceil(options.most * LEAST))
    this.#entries = this.#fewest
  }

  get entries(): number {
    return this.#entries
  }

  /** A call with so many entries took so long; `historical`: they were such a portion. */
  took(entries: number, elapsedMs: number, historical: boolean): void {
    if (this.#calls++ % SPAN === 0) this.#shortest = [Number.POSITIVE_INFINITY, this.#shortest[0]!]
    this.#shortest[0] = Math.min(this.#shortest[0]!, elapsedMs)
    if (!historical) return
    const eachMs = (elapsedMs - Math.min(...this.#shortest)) / entries
    const fitting = eachMs === 0 ? this.#most : Math.floor(LONGEST_MS / eachMs)
    // What is not known yet is found out in steps.
    this.#entries = Math.max(this.#fewest, Math.min(this.#most, fitting, 2 * this.#entries))
  }
}
