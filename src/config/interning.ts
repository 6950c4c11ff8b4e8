/** Equal objects become one: 100,000 tags have a handful of mappings, and a hundred devices of one kind the same tags. */

export class Interning {
  readonly #known = new Map<string, unknown>()
  readonly #ids = new Map<object, number>()

  /** The first object that was equal. Objects inside are told apart by identity, so they must have been made the same before. */
  same<T extends object>(value: T): T {
    let key = ''
    for (const [name, inner] of Object.entries(value)) {
      if (typeof inner === 'object' && inner !== null) key += `${name}:${this.#formOf(inner)};`
      else key += `${name}=${typeof inner}${String(inner)};`
    }
    const known = this.#known.get(key)
    if (known !== undefined) return known as T
    this.#known.set(key, value)
    return value
  }

  #formOf(inner: object): string {
    if (Array.isArray(inner)) return JSON.stringify(inner)
    if (inner instanceof Map) return JSON.stringify([...inner])
    let id = this.#ids.get(inner)
    if (id === undefined) {
      id = this.#ids.size
      this.#ids.set(inner, id)
    }
    return `#${id}`
  }
}
