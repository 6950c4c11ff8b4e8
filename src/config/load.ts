/** From a file to a configuration, or to all that is wrong with it. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { basename, dirname, resolve } from 'node:path'
import { stringify } from 'yaml'
import type { z } from 'zod'
import type { Isa95Path } from '../contracts/batch.ts'
import type { DevicePlan, GroupPlan, Tag } from '../contracts/driver.ts'
import { sentence } from '../contracts/errors.ts'
import { Check, isMap, type Keys, supposed } from './check.ts'
import type { Configuration, ConnectionConfiguration, SinkConfiguration } from './configuration.ts'
import { parseTagTable, type TagTable } from './csv.ts'
import { Interning } from './interning.ts'
import type { DriverKindSchema, Kinds } from './kinds.ts'
import { Places } from './places.ts'
import { type Problem, sorted } from './problems.ts'
import * as shapes from './shapes.ts'
import { nearest, unknownKey } from './spelling.ts'
import { TagReader } from './tag.ts'
import { type Path, parseTree, type Tree } from './tree.ts'

export type Loaded =
  | { readonly ok: true; readonly configuration: Configuration; readonly notices: readonly string[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

export interface LoadOptions {
  readonly file: string
  /** Read in place of the file's content. */
  readonly text?: string
  readonly kinds: Kinds
  readonly env: NodeJS.ProcessEnv
}

export async function load({ file: given, text, kinds, env }: LoadOptions): Promise<Loaded> {
  const file = resolve(given)
  const problem = (why: string): Loaded => ({
    ok: false,
    problems: [{ file, line: 1, column: 1, path: '', text: why }],
  })
  let content: string
  try {
    content = text ?? readFileSync(file, 'utf8')
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    return problem(missing ? 'there is no such file: name one with --config' : 'the file cannot be read')
  }
  return new Loading({ file, kinds, env, tree: parseTree(content, { folder: dirname(file), env }) }).run()
}

interface Connection extends ConnectionConfiguration {
  readonly schema: DriverKindSchema
}

class Loading {
  readonly #file: string
  readonly #folder: string
  readonly #kinds: Kinds
  readonly #env: NodeJS.ProcessEnv
  readonly #tree: Tree
  readonly #places: Places
  readonly #check: Check
  readonly #interning = new Interning()
  readonly #tagReader: TagReader
  readonly #notices: string[] = []
  readonly #tables = new Map<string, TagTable | undefined>()

  constructor({ file, kinds, env, tree }: { file: string; kinds: Kinds; env: NodeJS.ProcessEnv; tree: Tree }) {
    this.#file = file
    this.#folder = dirname(file)
    this.#kinds = kinds
    this.#env = env
    this.#tree = tree
    this.#places = new Places(file, tree)
    this.#check = new Check(this.#places)
    this.#tagReader = new TagReader(this.#check, this.#interning)
  }

  run(): Loaded {
    const tree = this.#tree
    if (tree.value === undefined) return { ok: false, problems: sorted(this.#places.problems) }
    const root = this.#check.map(tree.value, [], shapes.fileKeys)
    const written = this.#check.map(tree.written, [], undefined)
    const gateway = this.#gateway(root.gateway)
    const log = this.#log(root.log)
    const board = root.board ?? 'generic'
    if (typeof board !== 'string')
      this.#places.say(['board'], 'expected the name of a board, such as raspberry-pi', 'value')
    if (root.redundancy != null) this.#places.say(['redundancy'], 'redundancy is not available in this version', 'key')
    if (root.console != null) this.#notices.push('console: the web console is not available in this version')
    const connections = this.#connections(root.connections)
    const { devices, groups } = this.#devices(root.devices, written.devices, connections, gateway)
    const { sinks, stated } = this.#sinks(root.sinks)
    if (this.#places.problems.length > 0) return { ok: false, problems: sorted(this.#places.problems) }
    const frozen = stringify(written, { lineWidth: 0 })
    return {
      ok: true,
      notices: this.#notices,
      configuration: {
        gateway,
        board: String(board),
        connections: connections.map(({ schema: _, ...connection }) => connection),
        devices,
        groups,
        sinks,
        log,
        oneWay: sinks.length > 0 && stated,
        source: { file: this.#file, sha256: createHash('sha256').update(frozen).digest('hex') },
        frozen,
      },
    }
  }

  // ── sections ─────────────────────────────────────────────────────────────────────────────────

  #gateway(given: unknown): Isa95Path {
    const parsed = this.#check.object(shapes.gatewayShape, given ?? {}, ['gateway'])
    const { id, ...levels } = (parsed ?? {}) as z.output<typeof shapes.gatewayShape>
    const host = hostname().replace(/[^A-Za-z0-9._-]/g, '-') || 'gateway'
    return { gateway: id ?? host, ...defined(levels) }
  }

  #log(given: unknown): Configuration['log'] {
    const parsed = this.#check.object(shapes.logShape, given ?? {}, ['log']) as
      | z.output<typeof shapes.logShape>
      | undefined
    return {
      path: resolve(this.#folder, parsed?.path ?? '.'),
      quotaBytes: parsed?.quota ?? 0,
      commitEveryMs: parsed?.commitEvery ?? 0,
      evict: parsed?.evict ?? 'oldest',
    }
  }

  #connections(given: unknown): Connection[] {
    const found: Connection[] = []
    for (const [name, keys] of this.#check.named(given, ['connections'])) {
      const path = ['connections', name]
      const kind = this.#check.kind(keys, 'driver', this.#kinds.drivers, path)
      if (kind === undefined) continue
      const { driver, ...own } = keys
      const settings = this.#check.object(kind.connection, own, path, ['driver'])
      found.push({ name, driver: String(driver), settings: settings ?? supposed(kind.connection, own), schema: kind })
    }
    return found
  }

  #sinks(given: unknown): { sinks: SinkConfiguration[]; stated: boolean } {
    const sinks: SinkConfiguration[] = []
    let stated = true
    for (const [name, keys] of this.#check.named(given, ['sinks'])) {
      const path = ['sinks', name]
      const kind = this.#check.kind(keys, 'type', this.#kinds.sinks, path)
      if (kind === undefined) continue
      const { type, ...own } = keys
      const whole = shapes.sinkShape.extend(kind.settings.shape)
      const parsed = this.#check.object(whole, own, path, ['type']) as z.output<typeof shapes.sinkShape> | undefined
      if (parsed === undefined) continue
      const { enabled, include, exclude, rename, deadband, minInterval, replay, from, commands, bigint, ...settings } =
        parsed
      if (commands !== 'none') stated = false
      sinks.push({
        name,
        type: type as string,
        enabled,
        include,
        exclude,
        rename,
        deadband: deadband ?? null,
        minIntervalMs: minInterval,
        replay,
        from,
        commands: commands ?? 'none',
        bigint,
        settings: this.#located(settings),
      })
    }
    return { sinks, stated }
  }

  /** Files that a sink names stand relative to the configuration. */
  #located(settings: Keys): Keys {
    const { tls } = settings
    if (typeof tls !== 'object' || tls === null) return settings
    const located = Object.fromEntries(
      Object.entries(tls).map(([key, value]) => {
        const path = ['ca', 'cert', 'key'].includes(key) && typeof value === 'string' && !value.includes('-----BEGIN')
        return [key, path ? resolve(this.#folder, value) : value]
      }),
    )
    return { ...settings, tls: located }
  }

  #devices(given: unknown, written: unknown, connections: readonly Connection[], gateway: Isa95Path) {
    const devices: DevicePlan[] = []
    const groups: GroupPlan[] = []
    const byName = new Map(connections.map((connection) => [connection.name, connection]))
    for (const [name, own] of this.#check.named(given, ['devices'])) {
      const path = ['devices', name]
      const plain = (written as Record<string, Keys> | null)?.[name]
      const keys = this.#withProfile(own, plain, path)
      const connection = this.#connectionOf(keys, byName, path)
      if (connection === undefined) continue
      const { schema } = connection
      const { groups: groupsGiven, ...rest } = keys
      const whole = shapes.deviceShape.extend(schema.device.shape)
      const parsed = this.#check.object(whole, rest, path, ['groups']) as
        | z.output<typeof shapes.deviceShape>
        | undefined
      const usable = parsed ?? supposed(whole, rest)
      const device: DevicePlan = {
        name,
        connection: connection.name,
        path: gateway,
        enabled: parsed?.enabled ?? true,
        settings: this.#deviceSettings(schema, usable, connection.settings, path),
      }
      devices.push(device)
      for (const [group, groupKeys] of this.#check.named(groupsGiven, [...path, 'groups'])) {
        const plain2 = (plain?.groups as Record<string, Keys> | undefined)?.[group]
        const plan = this.#group({
          device,
          group,
          keys: groupKeys,
          plain: plain2,
          connection,
          parsed: usable,
          labels: parsed?.labels,
        })
        if (plan !== undefined) groups.push({ ...plan, ref: { ...plan.ref, id: groups.length + 1 } })
      }
    }
    return { devices, groups }
  }

  /** The connection a device names; when it names none that there is, the one it probably means, for what follows. */
  #connectionOf(keys: Keys, known: ReadonlyMap<string, Connection>, path: Path): Connection | undefined {
    let { connection: wanted } = keys
    if (wanted === undefined || wanted === null) {
      const meant = Object.keys(keys).find((key) => unknownKey(key, ['connection']).meant !== undefined)
      if (meant === undefined) {
        this.#places.say(path, 'connection is missing: name the connection it is reached by', 'key')
        return [...known.values()][0]
      }
      // The key itself is reported with the device's other unknown ones.
      wanted = keys[meant]
      keys.connection = wanted
    }
    const found = known.get(String(wanted))
    if (found !== undefined) return found
    // A connection whose own keys are wrong has been reported already.
    const written = (this.#tree.value as { connections?: Keys }).connections
    if (isMap(written) && Object.hasOwn(written, String(wanted))) return undefined
    const names = [...known.keys()]
    const near = nearest(String(wanted), names)
    const hint = near === undefined ? `there are: ${names.join(', ') || 'none'}` : `did you mean "${near}"?`
    this.#places.say([...path, 'connection'], `there is no connection "${String(wanted)}": ${hint}`, 'value')
    return known.get(near ?? names[0] ?? '')
  }

  #deviceSettings(schema: DriverKindSchema, device: unknown, connection: unknown, path: Path): unknown {
    if (device === undefined || connection === undefined) return undefined
    try {
      return schema.resolveDevice(device, connection)
    } catch (thrown) {
      const [, key, text] = /^(\w+): (.*)$/s.exec(sentence(thrown)) ?? [undefined, '', sentence(thrown)]
      this.#places.say([...path, key!], text!, 'value')
      return undefined
    }
  }

  #group(given: {
    device: DevicePlan
    group: string
    keys: Keys
    plain: Keys | undefined
    connection: Connection
    parsed: unknown
    labels: Record<string, string> | undefined
  }): GroupPlan | undefined {
    const { device, group, keys, connection } = given
    const path = ['devices', device.name, 'groups', group]
    const own = this.#check.object(shapes.groupShape, keys, path) as z.output<typeof shapes.groupShape> | undefined
    const rows = this.#tags(keys.tags, given.plain, path)
    const presets = {
      report: own?.report ?? 'always',
      heartbeatMs: own?.heartbeat ?? 600_000,
      deadband: own?.deadband === undefined ? null : this.#interning.same(own.deadband),
    } as const
    const made = rows.flatMap(({ name, keys: tagKeys, path: tagPath }) => {
      const tag = this.#tagReader.read({
        name,
        keys: tagKeys,
        path: tagPath,
        connection,
        device: given.parsed,
        presets,
      })
      return tag === undefined ? [] : [{ ...tag, path: tagPath }]
    })
    if (rows.length === 0 && own !== undefined) this.#places.say([...path, 'tags'], 'this group has no tags', 'key')
    const readable = made.filter(({ tag }) => tag.access !== 'w')
    const writeOnly = made.filter(({ tag }) => tag.access === 'w')
    const index = new Map(readable.map(({ tag }, at) => [tag.info.name, at]))
    const tags: Tag[] = [...readable, ...writeOnly].map(({ tag, scaleFrom, path: tagPath }) => {
      const at = index.get(tag.info.name) ?? -1
      if (scaleFrom === undefined) return this.#interning.same({ ...tag, index: tag.access === 'w' ? -1 : at })
      const by = index.get(scaleFrom.tag)
      if (by === undefined || by === at) {
        const names = [...index.keys()]
        const near = nearest(scaleFrom.tag, names)
        const hint = near === undefined ? 'name a tag of the same group' : `did you mean "${near}"?`
        this.#places.say(
          [...tagPath, 'scaleFrom'],
          `there is no tag "${scaleFrom.tag}" in this group: ${hint}`,
          'value',
        )
        return tag
      }
      const mapping = this.#interning.same({
        ...tag.mapping,
        scaleFrom: this.#interning.same({ index: by, as: scaleFrom.as }),
      })
      return { ...tag, index: at, mapping }
    })
    if (own === undefined) return undefined
    return {
      ref: {
        id: 0,
        revision: 1,
        device: device.name,
        group,
        path: device.path,
        ...(given.labels === undefined ? {} : { labels: this.#interning.same(given.labels) }),
        tags: tags.filter((tag) => tag.index >= 0).map((tag) => tag.info),
      },
      device,
      everyMs: own.every,
      phaseMs: own.phase,
      priority: own.priority,
      tags,
    }
  }

  /** The group's tags with fields spread out, from the file or from a table. */
  #tags(given: unknown, plain: Keys | undefined, path: Path): { name: string; keys: Keys; path: Path }[] {
    let tags = given
    const file = (given as Keys | null)?.file
    if (typeof file === 'string') {
      const table = this.#table(resolve(this.#folder, file), [...path, 'tags', 'file'])
      if (table === undefined) return []
      const tagsPath = [...path, 'tags']
      this.#places.origins.push({
        at: tagsPath,
        file: resolve(this.#folder, file),
        locate: (below) =>
          below.length === 0
            ? undefined
            : table.locate(String(below[0]), below[1] === undefined ? undefined : String(below[1])),
      })
      tags = table.tags
      if (plain !== undefined) plain.tags = table.tags
    }
    const found: { name: string; keys: Keys; path: Path }[] = []
    const seen = new Map<string, Path>()
    const add = (name: string, keys: Keys, at: Path): void => {
      const before = seen.get(name)
      if (before !== undefined) {
        this.#places.say(
          at,
          `there are two tags "${name}" in this group: this one and ${before.slice(5).join('.')}`,
          'key',
        )
        return
      }
      seen.set(name, at)
      found.push({ name, keys, path: at })
    }
    for (const [name, keys] of this.#check.named(tags, [...path, 'tags'])) {
      const at = [...path, 'tags', name]
      if (keys.fields === undefined || keys.fields === null) add(name, keys, at)
      else {
        const { fields, ...carrier } = keys
        for (const [field, own] of this.#check.named(fields, [...at, 'fields']))
          add(field, { ...carrier, ...own }, [...at, 'fields', field])
      }
    }
    return found
  }

  // ── other files ──────────────────────────────────────────────────────────────────────────────

  #table(file: string, path: Path): TagTable | undefined {
    if (this.#tables.has(file)) return this.#tables.get(file)
    let table: TagTable | undefined
    try {
      table = parseTagTable(readFileSync(file, 'utf8'))
      for (const { line, column, text } of table.problems) this.#places.push({ file, line, column, path: '', text })
    } catch {
      this.#places.say(path, `the file ${file} cannot be read`, 'value')
    }
    this.#tables.set(file, table)
    return table
  }

  /** The device's keys laid over those of its profile, groups and tags one by one. */
  #withProfile(own: Keys, plain: Keys | undefined, path: Path): Keys {
    const { profile, ...keys } = own
    if (typeof profile !== 'string') return own
    const file = resolve(this.#folder, 'profiles', `${basename(profile)}.yaml`)
    let tree: Tree
    try {
      tree = parseTree(readFileSync(file, 'utf8'), { folder: dirname(file), env: this.#env })
    } catch {
      this.#places.say([...path, 'profile'], `there is no profile "${profile}": expected ${file}`, 'value')
      return keys
    }
    const at = (offset: number) => tree.position(offset)
    for (const { offset, text } of tree.problems) this.#places.push({ file, ...at(offset), path: '', text })
    if (tree.value === undefined) return keys
    this.#places.origins.push({
      at: path,
      file,
      locate: (below, what) => (tree.has(below) ? at(tree.locate(below, what)) : undefined),
    })
    if (plain !== undefined) {
      const { profile: _, ...rest } = plain
      const whole = laidOver(tree.written as Keys, rest)
      for (const key of Object.keys(plain)) delete plain[key]
      Object.assign(plain, whole)
    }
    return laidOver(tree.value as Keys, keys)
  }
}

function laidOver(below: Keys, above: Keys): Keys {
  const whole: Keys = { ...below }
  for (const [key, value] of Object.entries(above)) {
    const under = whole[key]
    const both = isMap(under) && isMap(value)
    whole[key] = both ? laidOver(under, value) : value
  }
  return whole
}

function defined(keys: object): object {
  return Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== undefined))
}
