/** Devices as they are written, with what their profiles add, become devices and groups as they are read. */
import { basename, dirname, join } from 'node:path'
import type { z } from 'zod'
import type { Isa95Path } from '../contracts/batch.ts'
import type { DevicePlan, GroupPlan } from '../contracts/driver.ts'
import { sentence } from '../contracts/errors.ts'
import { type Check, isMap, type Keys, supposed } from './check.ts'
import type { ConnectionConfiguration } from './configuration.ts'
import { GroupReader } from './groups.ts'
import { Interning } from './interning.ts'
import type { DriverKindSchema, Kinds } from './kinds.ts'
import * as shapes from './shapes.ts'
import { nearest, unknownKey } from './spelling.ts'
import type { Texts } from './texts.ts'
import { type Path, parseTree, type Tree } from './tree.ts'

/** `schema` undefined: it names no driver that there is. */
export interface Connection extends ConnectionConfiguration {
  readonly schema: DriverKindSchema | undefined
}

interface Options {
  readonly check: Check
  readonly texts: Texts
  readonly tree: Tree
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  readonly gateway: Isa95Path
  readonly connections: readonly Connection[]
  readonly invert: Kinds['invert']
}

interface Profile {
  readonly file: string
  readonly tree: Tree
}

export class DeviceReader {
  readonly #options: Options
  readonly #interning = new Interning()
  readonly #groups: GroupReader
  readonly #connections: ReadonlyMap<string, Connection>
  readonly #profiles = new Map<string, Profile | undefined>()

  constructor(options: Options) {
    this.#options = options
    const { check, texts, invert } = options
    this.#groups = new GroupReader({ check, interning: this.#interning, texts, invert })
    this.#connections = new Map(options.connections.map((connection) => [connection.name, connection]))
  }

  read(given: unknown): { devices: DevicePlan[]; groups: GroupPlan[] } {
    const devices: DevicePlan[] = []
    const groups: GroupPlan[] = []
    for (const [name, own] of this.#options.check.named(given, ['devices'])) {
      const device = this.#device(name, own, (plan) => {
        groups.push({ ...plan, ref: { ...plan.ref, id: groups.length + 1 } })
      })
      if (device !== undefined) devices.push(device)
    }
    return { devices, groups }
  }

  #device(name: string, own: Keys, add: (group: GroupPlan) => void): DevicePlan | undefined {
    const { check, gateway, folder, tree } = this.#options
    const path = ['devices', name]
    const profile = this.#profileOf(own, path)
    const keys = profile === undefined ? own : laidOver(profile.tree.value as Keys, own)
    const connection = this.#connectionOf(keys, path)
    const kind = connection?.schema
    if (connection === undefined || kind === undefined) return undefined
    const whole = shapes.deviceShape.extend(kind.device.shape)
    const known = check.map(keys, path, Object.keys(whole.shape))
    const { groups, ...rest } = known
    const parsed = check.object(whole, rest, path) as z.output<typeof shapes.deviceShape> | undefined
    const usable = parsed ?? supposed(whole, rest)
    const device: DevicePlan = {
      name,
      connection: connection.name,
      path: gateway,
      enabled: parsed?.enabled ?? true,
      settings: this.#settings(kind, usable, connection.settings, path),
    }
    // What the missing profile would have said of them is not theirs to miss.
    if (profile === undefined && typeof own.profile === 'string') return device
    const labels = parsed?.labels === undefined ? undefined : this.#interning.same(parsed.labels)
    for (const [group, groupKeys] of check.named(groups, [...path, 'groups'])) {
      const ownTable = tree.has([...path, 'groups', group, 'tags', 'file'])
      const plan = this.#groups.read(group, groupKeys, {
        device,
        labels,
        kind,
        parsed: { device: usable, connection: connection.settings },
        folder: profile === undefined || ownTable ? folder : dirname(profile.file),
      })
      if (plan !== undefined) add(plan)
    }
    return device
  }

  /** The connection a device names; when it names none that there is, the one it probably means, for what follows. */
  #connectionOf(keys: Keys, path: Path): Connection | undefined {
    const { places } = this.#options.check
    const known = this.#connections
    const named = keys.connection ?? Object.entries(keys).find(([key]) => meansConnection(key))?.[1]
    if (named === undefined || named === null) {
      places.say(path, 'connection is missing: name the connection it is reached by', 'key', 'connection')
      keys.connection = ''
      return [...known.values()][0]
    }
    const found = known.get(String(named))
    if (found !== undefined) return found
    const names = [...known.keys()]
    const near = nearest(String(named), names)
    const hint = near === undefined ? `there are: ${names.join(', ') || 'none'}` : `did you mean "${near}"?`
    places.say([...path, 'connection'], `there is no connection "${String(named)}": ${hint}`, 'value')
    return known.get(near ?? names[0] ?? '')
  }

  #settings(kind: DriverKindSchema, device: unknown, connection: unknown, path: Path): unknown {
    if (device === undefined || connection === undefined) return undefined
    try {
      return kind.resolveDevice(device, connection)
    } catch (thrown) {
      const [, key, text] = /^(\w+): (.*)$/s.exec(sentence(thrown)) ?? [undefined, '', sentence(thrown)]
      this.#options.check.places.say([...path, key!], text!, 'value')
      return undefined
    }
  }

  #profileOf(own: Keys, path: Path): Profile | undefined {
    if (typeof own.profile !== 'string') return undefined
    const { places } = this.#options.check
    const name = own.profile
    if (!this.#profiles.has(name)) this.#profiles.set(name, this.#readProfile(name, [...path, 'profile']))
    const profile = this.#profiles.get(name)
    if (profile === undefined) return undefined
    const { file, tree } = profile
    places.add({
      at: path,
      file,
      tree,
      locate: (below, what) => (tree.has(below) ? tree.position(tree.locate(below, what)) : undefined),
    })
    return isMap(tree.value) ? profile : undefined
  }

  #readProfile(name: string, path: Path): Profile | undefined {
    const { check, texts, env } = this.#options
    const read = texts.read(join('profiles', `${basename(name)}.yaml`))
    if (!read.ok) {
      if (read.line > 0) check.places.at(read.file, { line: read.line, column: 1 }, [], read.why)
      else check.places.say(path, `there is no profile "${name}": ${read.file} ${read.why}`, 'value')
      return undefined
    }
    const tree = parseTree(read.text, { folder: dirname(read.file), env })
    if (tree.value !== undefined && tree.value !== null && !isMap(tree.value)) {
      check.places.at(read.file, { line: 1, column: 1 }, path, 'expected the keys of a device, such as groups')
    }
    return { file: read.file, tree }
  }
}

function meansConnection(key: string): boolean {
  return unknownKey(key, ['connection']).meant !== undefined
}

/** Maps key by key, the upper one winning. */
function laidOver(below: Keys, above: Keys): Keys {
  const whole: Keys = { ...below }
  for (const [key, value] of Object.entries(above)) {
    const under = whole[key]
    whole[key] = isMap(under) && isMap(value) ? laidOver(under, value) : value
  }
  return whole
}
