/** Equal objects become one: 100,000 tags have a handful of mappings, and a hundred devices of one kind the same tags. */

export class Interning {
  readonly #keyed = new Map<unknown, Map<unknown, object[]>>()
  readonly #known = new Map<string, unknown>()
  readonly #ids = new Map<object, number>()

  /** The first object that was equal. Objects inside are told apart by identity, so they must have been made the same before. */
  same<T extends object>(value: T): T {
    let key = ''
    for (const [name, inner] of Object.entries(value)) {
      if (typeof inner === 'object' && inner !== null) key += `${name}:${this.#formOf(inner)}\0`
      else key += `${name}=${typeof inner}${String(inner)}\0`
    }
    const known = this.#known.get(key)
    if (known !== undefined) return known as T
    this.#known.set(key, value)
    return value
  }

  /** As `same`, where `space` and `key` leave only few objects to choose from, which are told apart by what they hold. */
  among<T extends object>(space: unknown, key: unknown, value: T): T {
    let keyed = this.#keyed.get(space)
    if (keyed === undefined) {
      keyed = new Map()
      this.#keyed.set(space, keyed)
    }
    const known = keyed.get(key)
    if (known === undefined) keyed.set(key, [value])
    else {
      for (const one of known) if (alike(one, value)) return one as T
      known.push(value)
    }
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

function alike(a: object, b: object): boolean {
  for (const key in b) if (a[key as never] !== b[key as never]) return false
  for (const key in a) if (!(key in b)) return false
  return true
}
