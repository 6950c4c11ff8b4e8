/** Keys against schemas: what is unknown, missing or of the wrong form is said, once each and in the field's words. */
import type { z } from 'zod'
import type { Places } from './places.ts'
import * as shapes from './shapes.ts'
import { nearest, unknownKey, unknownName } from './spelling.ts'
import type { Path } from './tree.ts'

export type Keys = Record<string, unknown>

export class Check {
  readonly places: Places

  constructor(places: Places) {
    this.places = places
  }

  /** The map at a path; what is none is a problem and counts as empty. */
  map(given: unknown, path: Path, known: readonly string[] | undefined): Keys {
    if (given === null || given === undefined) return {}
    if (typeof given !== 'object' || Array.isArray(given)) {
      this.places.say(
        path,
        path.length === 0 ? 'expected keys such as connections, devices and sinks' : 'expected a map of keys',
        'value',
      )
      return {}
    }
    if (known !== undefined) {
      for (const key of Object.keys(given)) {
        if (!known.includes(key)) this.places.say([...path, key], unknownKey(key, known).text, 'key')
      }
    }
    return given as Keys
  }

  /** The entries of a map of named things, those with a usable name and a map for a value. */
  named(given: unknown, path: Path): [string, Keys][] {
    const found: [string, Keys][] = []
    for (const [name, keys] of Object.entries(this.map(given, path, undefined))) {
      const at = [...path, name]
      if (!shapes.NAME.test(name) || Buffer.byteLength(name) > shapes.LONGEST_NAME) {
        const text = `"${name}" is not a name: expected letters, digits, "_", "-" and ".", not beginning with "-" or ".", at most ${shapes.LONGEST_NAME} bytes`
        this.places.say(at, text, 'key')
      } else if (keys !== null && (typeof keys !== 'object' || Array.isArray(keys))) {
        this.places.say(at, 'expected a map of keys', 'value')
      } else found.push([name, (keys ?? {}) as Keys])
    }
    return found
  }

  kind<K>(keys: Keys, key: 'driver' | 'type', kinds: Readonly<Record<string, K>>, path: Path): K | undefined {
    const given = keys[key]
    const names = Object.keys(kinds)
    if (typeof given === 'string' && Object.hasOwn(kinds, given)) return kinds[given]
    if (given === undefined || given === null) {
      const foreign = Object.keys(keys).find((one) => unknownKey(one, [key]).meant !== undefined)
      if (foreign === undefined) this.places.say(path, `${key} is missing: expected one of ${names.join(', ')}`, 'key')
      else this.places.say([...path, foreign], unknownKey(foreign, [key]).text, 'key')
      return undefined
    }
    const { text, meant } = unknownName(key, String(given), names)
    this.places.say([...path, key], text, 'value')
    // The rest is read as it was probably meant, so that its own mistakes are seen too.
    return meant === undefined ? undefined : kinds[meant]
  }

  /** What a schema makes of the keys; undefined: there were problems, and all of them have been said. */
  object(object: z.ZodObject, given: unknown, path: Path, beside: readonly string[] = []): Keys | undefined {
    const before = this.places.problems.length
    const known = Object.keys(object.shape)
    const keys = { ...this.map(given, path, [...known, ...beside]) }
    this.#nestedKeys(object, keys, path)
    // An empty key ("port:") is a key that is not there.
    for (const key of Object.keys(keys)) if (keys[key] === null) delete keys[key]
    const parsed = object.safeParse(keys)
    if (!parsed.success) {
      for (const issue of parsed.error.issues) this.#issue(issue, path, keys)
    }
    return parsed.success && this.places.problems.length === before ? parsed.data : undefined
  }

  /** Unknown keys of objects inside: zod would pass over them in silence. */
  #nestedKeys(object: z.ZodObject, keys: Keys, path: Path): void {
    for (const [key, value] of Object.entries(keys)) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) continue
      const inner = unwrapped(object.shape[key])
      if (inner === undefined) continue
      const at = [...path, key]
      const known = Object.keys(inner.shape)
      const strange = Object.keys(value).filter((one) => !known.includes(one))
      for (const one of strange) this.places.say([...at, one], unknownKey(one, known).text, 'key')
      keys[key] = Object.fromEntries(Object.entries(value).filter(([one]) => known.includes(one)))
      this.#nestedKeys(inner, keys[key] as Keys, at)
    }
  }

  #issue(issue: z.core.$ZodIssue, path: Path, keys: Keys): void {
    const below = issue.path.filter((part) => typeof part !== 'symbol') as (string | number)[]
    const at = [...path, ...below]
    const missing =
      below.length > 0 &&
      below.reduce<unknown>((value, part) => (value as Keys | undefined)?.[part], keys) === undefined
    if (missing) {
      const key = below.at(-1)!
      // The mistake is the key that stands there in its place, and has been said.
      const instead = Object.keys(keys).some(
        (one) =>
          unknownKey(one, [String(key)]).meant !== undefined &&
          this.places.problems.some(({ path: said }) => said === [...path, one].join('.')),
      )
      if (instead) return
      const expected = issue.message.startsWith('expected') ? `: ${issue.message}` : ''
      this.places.say([...path, ...below.slice(0, -1)], `${key} is missing${expected}`, 'key')
    } else if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) this.places.say([...at, key], unknownKey(key, []).text, 'key')
    } else if (issue.code === 'invalid_value') {
      const values = issue.values.map(String)
      const given = below.reduce<unknown>((value, part) => (value as Keys | undefined)?.[part], keys)
      const near = typeof given === 'string' ? nearest(given, values) : undefined
      const said = issue.message.startsWith('Invalid') ? `expected one of ${values.join(', ')}` : issue.message
      this.places.say(at, near === undefined ? said : `${said}; did you mean "${near}"?`, 'value')
    } else {
      const plain = issue.message.startsWith('Invalid input: expected ')
      this.places.say(
        at,
        plain ? issue.message.slice('Invalid input: '.length).replace(/, received.*/, '') : issue.message,
        'value',
      )
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

function unwrapped(schema: unknown): z.ZodObject | undefined {
  let inner = schema as { shape?: object; def?: { innerType?: unknown; catchall?: unknown } } | undefined
  while (inner?.def?.innerType !== undefined) inner = inner.def.innerType as typeof inner
  return inner?.shape === undefined ? undefined : (inner as unknown as z.ZodObject)
}

export function isMap(value: unknown): value is Keys {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
