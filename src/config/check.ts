/** Keys against schemas: what is unknown, missing or of the wrong form is said, once each and in the field's words. */
import type { z } from 'zod'
import { explain } from './explain.ts'
import type { Places } from './places.ts'
import * as shapes from './shapes.ts'
import { unknownKey, unknownName } from './spelling.ts'
import type { Path } from './tree.ts'

export type Keys = Record<string, unknown>

export class Check {
  readonly places: Places
  /** Keys by what has them, for those that stand in the wrong place. */
  readonly #elsewhere: Readonly<Record<string, readonly string[]>>

  constructor(places: Places, elsewhere: Readonly<Record<string, readonly string[]>> = {}) {
    this.places = places
    this.#elsewhere = elsewhere
  }

  /** The map at a path, what is none being a problem and counting as empty. With `known`: unknown keys are said and left out, or
   *  read as what they were meant to be. */
  map(given: unknown, path: Path, known: readonly string[] | undefined): Keys {
    if (given === null || given === undefined) return {}
    if (!isMap(given)) {
      const expected = path.length === 0 ? 'keys such as connections, devices and sinks' : 'a map of keys'
      this.places.say(path, `expected ${expected}`, 'value')
      return {}
    }
    if (known === undefined || Object.keys(given).every((key) => known.includes(key))) return given
    const keys: Keys = {}
    for (const [key, value] of Object.entries(given)) {
      if (known.includes(key)) {
        keys[key] = value
        continue
      }
      const { text, meant } = unknownKey(key, known, this.#elsewhere)
      this.places.say([...path, key], text, 'key')
      if (meant === undefined || Object.hasOwn(given, meant) || Object.hasOwn(keys, meant)) continue
      // Its own mistakes are seen too, and nothing is missing.
      keys[meant] = value
      this.places.move([...path, meant], [...path, key])
    }
    return keys
  }

  /** The entries of a map of named things, those with a usable name and a map for a value. */
  named(given: unknown, path: Path): [string, Keys][] {
    const found: [string, Keys][] = []
    for (const [name, keys] of Object.entries(this.map(given, path, undefined))) {
      if (!this.name(name, [...path, name])) continue
      if (keys !== null && !isMap(keys)) this.places.say([...path, name], 'expected a map of keys', 'value')
      else found.push([name, (keys ?? {}) as Keys])
    }
    return found
  }

  name(name: string, path: Path): boolean {
    if (shapes.NAME.test(name) && name.length <= shapes.LONGEST_NAME) return true
    const text = `"${name}" is not a name: expected letters, digits, "_", "-" and ".", not beginning with "-" or ".", at most ${shapes.LONGEST_NAME} bytes`
    this.places.say(path, text, 'key')
    return false
  }

  /** The kind that `driver` or `type` names; `keys` loses the key. */
  kind<K>(
    keys: Keys,
    key: 'driver' | 'type',
    kinds: Readonly<Record<string, K>>,
    path: Path,
  ): { readonly name: string; readonly kind: K | undefined } {
    const names = Object.keys(kinds)
    let given = keys[key]
    delete keys[key]
    if (given === undefined || given === null) {
      const instead = Object.keys(keys).find((one) => unknownKey(one, [key]).meant !== undefined)
      if (instead === undefined) {
        this.places.say(path, `${key} is missing: expected one of ${names.join(', ')}`, 'key', key)
        return { name: '', kind: undefined }
      }
      this.places.say([...path, instead], unknownKey(instead, [key]).text, 'key')
      this.places.move([...path, key], [...path, instead])
      given = keys[instead]
      delete keys[instead]
    }
    const name = String(given)
    if (Object.hasOwn(kinds, name)) return { name, kind: kinds[name] }
    const { text, meant } = unknownName(key, name, names)
    this.places.say([...path, key], text, 'value')
    // The rest is read as it was probably meant, so that its own mistakes are seen too.
    return { name, kind: meant === undefined ? undefined : kinds[meant] }
  }

  /** What a schema makes of the keys; undefined: there were problems, and all of them have been said. */
  object(object: z.ZodObject, given: unknown, path: Path): Keys | undefined {
    const before = this.places.problems.length
    const keys = { ...this.map(given, path, Object.keys(object.shape)) }
    this.#nestedKeys(object, keys, path)
    // An empty key ("port:") is a key that is not there.
    for (const key of Object.keys(keys)) if (keys[key] === null) delete keys[key]
    let parsed = object.safeParse(keys)
    if (!parsed.success && this.#asWanted(parsed.error.issues, keys, path)) parsed = object.safeParse(keys)
    if (!parsed.success) for (const issue of parsed.error.issues) this.#issue(issue, path, keys)
    return parsed.success && this.places.problems.length === before ? parsed.data : undefined
  }

  /** A text that `${…}` gave becomes the number or the boolean that is wanted in its place. */
  #asWanted(issues: readonly z.core.$ZodIssue[], keys: Keys, path: Path): boolean {
    let changed = false
    for (const { path: symbols } of issues) {
      const below = symbols as (string | number)[]
      if (below.length === 0 || this.places.substitution([...path, ...below]) === undefined) continue
      const given = valueAt(keys, below)
      if (typeof given !== 'string') continue
      const wanted = /^(true|false)$/.test(given)
        ? given === 'true'
        : /^[-+]?\d+(\.\d+)?$/.test(given)
          ? Number(given)
          : undefined
      if (wanted === undefined) continue
      let holder: unknown = keys
      for (const part of below.slice(0, -1)) {
        const copy: unknown = structuredClone((holder as Keys)[part])
        ;(holder as Keys)[part] = copy
        holder = copy
      }
      ;(holder as Keys)[below.at(-1)!] = wanted
      changed = true
    }
    return changed
  }

  /** Unknown keys of objects inside: zod would pass over them in silence. */
  #nestedKeys(object: z.ZodObject, keys: Keys, path: Path): void {
    for (const [key, value] of Object.entries(keys)) {
      if (!isMap(value)) continue
      const inner = objectIn(object.shape[key])
      if (inner === undefined) continue
      const below = { ...this.map(value, [...path, key], Object.keys(inner.shape)) }
      keys[key] = below
      this.#nestedKeys(inner, below, [...path, key])
      for (const one of Object.keys(below)) if (below[one] === null) delete below[one]
    }
  }

  #issue(issue: z.core.$ZodIssue, path: Path, keys: Keys): void {
    const below = issue.path.filter((part) => typeof part !== 'symbol') as (string | number)[]
    const given = valueAt(keys, below)
    if (below.length > 0 && given === undefined) {
      const key = String(below.at(-1))
      const expected = issue.message.startsWith('expected') ? `: ${issue.message}` : ''
      this.places.say([...path, ...below.slice(0, -1)], `${key} is missing${expected}`, 'key', key)
    } else if (issue.code === 'invalid_key') {
      const text = explain(issue.issues[0] ?? issue, below.at(-1))
      this.places.say([...path, ...below], text, 'key')
    } else {
      this.places.say([...path, ...below], explain(issue, given), 'value')
    }
  }
}

/** What keys with mistakes in them probably mean: the wrong ones left out, the missing ones made up. Only to check what depends
 *  on them. */
export function supposed(schema: z.ZodObject, given: Keys): Keys | undefined {
  const keys: Keys = Object.fromEntries(
    Object.entries(given).filter(([key, value]) => value !== null && key in schema.shape),
  )
  for (const made of ['supposed', 1, undefined]) {
    const parsed = schema.safeParse(keys)
    if (parsed.success) return parsed.data
    for (const { path } of parsed.error.issues) {
      const key = String(path[0])
      if (made === 'supposed' && keys[key] !== undefined) delete keys[key]
      else keys[key] = made
    }
  }
  return undefined
}

function valueAt(keys: Keys, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((value, part) => (value as Keys | undefined)?.[part], keys)
}

/** The object that a key's schema allows, within its defaults and beside other forms. */
function objectIn(schema: unknown): z.ZodObject | undefined {
  const { shape, def } = (schema ?? {}) as { shape?: object; def?: { innerType?: unknown; options?: unknown[] } }
  if (shape !== undefined) return schema as z.ZodObject
  if (def?.innerType !== undefined) return objectIn(def.innerType)
  const options = def?.options?.map(objectIn).filter((one) => one !== undefined) ?? []
  return options.length === 1 ? options[0] : undefined
}

export function isMap(value: unknown): value is Keys {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
