/** Devices as they are written, with what their profiles add, become devices and groups as they are read. */
import type { z } from 'zod'
import type { Isa95Path } from '../contracts/batch.ts'
import type { DevicePlan, GroupPlan } from '../contracts/driver.ts'
import { sentence } from '../contracts/errors.ts'
import { type Check, isMap, type Keys, supposed } from './check.ts'
import type { ConnectionConfiguration } from './configuration.ts'
import { GroupReader } from './groups.ts'
import { Interning } from './interning.ts'
import type { DriverKindSchema, Kinds } from './kinds.ts'
import { type ProfileSources, Profiles } from './profiles.ts'
import * as shapes from './shapes.ts'
import { nearest, unknownKey } from './spelling.ts'
import type { Texts } from './texts.ts'
import type { Path, Tree } from './tree.ts'

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
  readonly profiles: ProfileSources
}

export class DeviceReader {
  readonly #options: Options
  readonly #interning = new Interning()
  readonly #groups: GroupReader
  readonly #connections: ReadonlyMap<string, Connection>
  readonly #profiles: Profiles

  constructor(options: Options) {
    this.#options = options
    this.#profiles = new Profiles({ ...options, sources: options.profiles })
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
    const profile = typeof own.profile === 'string' ? this.#profiles.of(own.profile, path) : undefined
    const keys = profile === undefined ? own : laidOver(profile.keys, own)
    const connection = this.#connectionOf(keys, path)
    const kind = connection?.schema
    if (connection === undefined || kind === undefined) return undefined
    const whole = shapes.deviceShape.extend(kind.device.shape)
    for (const key of profile === undefined ? [] : (kind.consents ?? [])) {
      if (own[key] === undefined && keys[key] !== undefined) {
        check.places.say([...path, key], `a profile cannot give ${key}: it is for the file to say`, 'key')
      }
    }
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
        folder: profile === undefined || ownTable ? folder : profile.folder,
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
