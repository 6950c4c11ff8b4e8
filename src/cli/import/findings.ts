/** What an importer finds in another product's file: connections and devices in our keys, and a note for all that has no place here. */

export type Keys = Record<string, unknown>

/** Something that is not carried over, or not as it stood. */
export interface Note {
  /** Where it stands in the imported file: `tags[3] "speed"`, or a line. */
  readonly place: string
  readonly text: string
}

interface Group {
  readonly keys: Keys
  readonly tags: Map<string, Keys>
}

export interface FoundDevice {
  readonly keys: Keys
  readonly groups: Map<string, Group>
}

/** Where a tag came from, for what is said of it later. */
type Origins = Map<string, string>

/** A text with references of ours, such as `${env:HOST}`. */
export class Reference {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export class Findings {
  readonly connections = new Map<string, Keys>()
  readonly devices = new Map<string, FoundDevice>()
  readonly notes: Note[] = []
  readonly #origins: Origins = new Map()

  note(place: string, text: string): void {
    if (!this.notes.some((one) => one.place === place && one.text === text)) this.notes.push({ place, text })
  }

  /** The connection with these keys: one that is the same, or a new one. Returns its name. */
  connection(wished: string, given: Keys, place: string): string {
    const keys = this.#harmless(given, place)
    const form = JSON.stringify(keys)
    for (const [name, one] of this.connections) if (JSON.stringify(one) === form) return name
    const rival = [...this.connections].find(
      ([, one]) => one.port !== undefined && keys.port === one.port && keys.host === one.host,
    )
    if (rival !== undefined) {
      this.note(place, `reaches what connection "${rival[0]}" reaches, with other settings: keep one of the two`)
    }
    const name = this.name(wished, this.connections, place)
    this.connections.set(name, keys)
    return name
  }

  /** A new device. Returns its name. */
  device(wished: string, keys: Keys, place: string): string {
    const name = this.name(wished, this.devices, place)
    this.devices.set(name, { keys: this.#harmless(keys, place), groups: new Map() })
    return name
  }

  /** The group of a device, made when it is not there yet. */
  group(device: string, name: string, keys: Keys): Group {
    const { groups } = this.devices.get(device)!
    let group = groups.get(name)
    if (group === undefined) {
      group = { keys, tags: new Map() }
      groups.set(name, group)
    }
    return group
  }

  tag(device: string, group: string, wished: string, keys: Keys, place: string): void {
    const { tags } = this.devices.get(device)!.groups.get(group)!
    const name = this.name(wished, tags, place)
    tags.set(name, this.#harmless(keys, place))
    this.#origins.set([device, group, name].join('\0'), place)
  }

  /** Without texts that would be references here: a file of others must not name our environment and our files. References that
   *  an importer makes itself are `Reference`s. */
  #harmless(keys: Keys, place: string): Keys {
    const cleaned = (value: unknown): unknown => {
      if (value instanceof Reference) return value.text
      if (Array.isArray(value)) return value.map(cleaned)
      if (isMap(value)) return Object.fromEntries(Object.entries(value).map(([key, below]) => [key, cleaned(below)]))
      if (typeof value !== 'string' || !value.includes('${')) return value
      this.note(place, `"\${" would begin a reference here: "${value}" is written with "$ {"`)
      return value.replaceAll('${', '$ {')
    }
    return cleaned(keys) as Keys
  }

  /** Takes a tag away again, saying why; whether it was there. */
  drop(device: string, group: string, tag: string, why: string): boolean {
    const there = this.devices.get(device)?.groups.get(group)?.tags.delete(tag) ?? false
    if (there) this.note(this.#origins.get([device, group, tag].join('\0')) ?? tag, why)
    return there
  }

  /** Groups without tags and devices without groups are nothing that could be read. */
  prune(): void {
    for (const [name, { groups }] of this.devices) {
      for (const [group, { tags }] of groups) if (tags.size === 0) groups.delete(group)
      if (groups.size === 0) {
        this.devices.delete(name)
        this.note(`device "${name}"`, 'left out: nothing of it could be carried over')
      }
    }
  }

  get tagCount(): number {
    let count = 0
    for (const { groups } of this.devices.values()) for (const { tags } of groups.values()) count += tags.size
    return count
  }

  /** A name that is allowed and free; another one than wished is noted. */
  name(wished: string, taken: ReadonlyMap<string, unknown>, place: string): string {
    const plain = nameFrom(wished)
    let name = plain
    for (let next = 2; taken.has(name); next++) name = `${plain.slice(0, 120)}_${next}`
    if (name !== wished)
      this.note(
        place,
        `the name "${wished}" ${plain === wished ? 'is taken' : 'is not possible'}: here it is "${name}"`,
      )
    return name
  }
}

/** Letters, digits, `_`, `-` and `.`, as our names are. */
function nameFrom(text: string): string {
  const plain = text
    .trim()
    .replace(/°/g, 'deg')
    .replace(/%/g, 'percent')
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^A-Za-z0-9._-]+/g, '_')
    .slice(0, 128)
  return /^[A-Za-z0-9_]/.test(plain) ? plain : `_${plain}`.slice(0, 128)
}

export function isMap(value: unknown): value is Keys {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Keys without those that say nothing. */
export function given(keys: Keys): Keys {
  return Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== undefined))
}

/** Whole milliseconds as a duration of ours. */
export function durationText(ms: number): string {
  for (const [unit, size] of [
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ] as const) {
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`
  }
  return `${ms}ms`
}
