/** A binary heap: the first by `before` is always at hand. */

export class Heap<T> {
  readonly #items: T[] = []
  readonly #before: (a: T, b: T) => boolean

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before
  }

  get size(): number {
    return this.#items.length
  }

  get first(): T | undefined {
    return this.#items[0]
  }

  push(item: T): void {
    const items = this.#items
    let at = items.push(item) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#before(item, items[parent]!)) break
      items[at] = items[parent]!
      at = parent
    }
    items[at] = item
  }

  pop(): T | undefined {
    const items = this.#items
    const first = items[0]
    const last = items.pop()
    if (items.length > 0) this.#sink(last!)
    return first
  }

  has(item: T): boolean {
    return this.#items.includes(item)
  }

  /** The first of those that pass; undefined: none does. */
  best(passes: (item: T) => boolean): T | undefined {
    let best: T | undefined
    for (const item of this.#items) {
      if (passes(item) && (best === undefined || this.#before(item, best))) best = item
    }
    return best
  }

  /** The one with the most of something; the first of those that have as much. */
  most(measure: (item: T) => number): T | undefined {
    let most = this.first
    for (const item of this.#items) {
      const more = measure(item) - measure(most!)
      if (more > 0 || (more === 0 && this.#before(item, most!))) most = item
    }
    return most
  }

  /** Keeps only what passes. */
  retain(keep: (item: T) => boolean): void {
    const kept = this.#items.filter(keep)
    this.#items.length = 0
    for (const item of kept) this.push(item)
  }

  #sink(item: T): void {
    const items = this.#items
    const half = items.length >> 1
    let at = 0
    while (at < half) {
      let child = 2 * at + 1
      const right = child + 1
      if (right < items.length && this.#before(items[right]!, items[child]!)) child = right
      if (!this.#before(items[child]!, item)) break
      items[at] = items[child]!
      at = child
    }
    items[at] = item
  }
}
