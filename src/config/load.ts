/** From a file to a configuration, or to all that is wrong with it. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { basename, dirname, resolve } from 'node:path'
import { stringify } from 'yaml'
import type { z } from 'zod'
import type { Isa95Path, TagInfo, ValueKind } from '../contracts/batch.ts'
import type { DevicePlan, GroupPlan, Tag } from '../contracts/driver.ts'
import { sentence } from '../contracts/errors.ts'
import type { Mapping } from '../contracts/stage.ts'
import type { Configuration, ConnectionConfiguration, SinkConfiguration } from './configuration.ts'
import { parseTagTable, type TagTable } from './csv.ts'
import type { DriverKindSchema, Kinds } from './kinds.ts'
import { nearest, type Problem, sorted, unknownKey } from './problems.ts'
import * as shapes from './shapes.ts'
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

export async function load(options: LoadOptions): Promise<Loaded> {
  return new Loading(options).run()
}

type Keys = Record<string, unknown>

/** Text that stands elsewhere: a profile or a tag table, by where it was put in. */
interface Origin {
  readonly at: Path
  readonly file: string
  locate(path: Path, what: 'key' | 'value'): { line: number; column: number } | undefined
}

interface Connection extends ConnectionConfiguration {
  readonly schema: DriverKindSchema
}

class Loading {
  readonly #file: string
  readonly #folder: string
  readonly #kinds: Kinds
  readonly #env: NodeJS.ProcessEnv
  readonly #given: string | undefined
  readonly #problems: Problem[] = []
  readonly #places = new Set<string>()
  readonly #notices: string[] = []
  readonly #origins: Origin[] = []
  readonly #tables = new Map<string, TagTable | undefined>()
  readonly #shared = new Map<string, unknown>()
  readonly #ids = new Map<object, number>()
  readonly #tagSchemas = new Map<DriverKindSchema, z.ZodObject>()
  #tree: Tree | undefined

  constructor({ file, text, kinds, env }: LoadOptions) {
    this.#file = resolve(file)
    this.#folder = dirname(this.#file)
    this.#kinds = kinds
    this.#env = env
    this.#given = text
  }

  run(): Loaded {
    let text: string
    try {
      text = this.#given ?? readFileSync(this.#file, 'utf8')
    } catch (cause) {
      const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
      const why = missing ? 'there is no such file: name one with --config' : 'the file cannot be read'
      return { ok: false, problems: [{ file: this.#file, line: 1, column: 1, path: '', text: why }] }
    }
    const tree = parseTree(text, { folder: this.#folder, env: this.#env })
    this.#tree = tree
    for (const found of tree.problems) this.#problemAt(tree.position(found.offset), found.path, found.text)
    if (tree.value === undefined) return { ok: false, problems: sorted(this.#problems) }
    const root = this.#map(tree.value, [], shapes.fileKeys)
    const written = this.#map(tree.written, [], undefined)
    const gateway = this.#gateway(root.gateway)
    const log = this.#log(root.log)
    const board = root.board ?? 'generic'
    if (typeof board !== 'string')
      this.#problem(['board'], 'expected the name of a board, such as raspberry-pi', 'value')
    if (root.redundancy != null) this.#problem(['redundancy'], 'redundancy is not available in this version', 'key')
    if (root.console != null) this.#notices.push('console: the web console is not available in this version')
    const connections = this.#connections(root.connections)
    const { devices, groups } = this.#devices(root.devices, written.devices, connections, gateway)
    const { sinks, stated } = this.#sinks(root.sinks)
    if (this.#problems.length > 0) return { ok: false, problems: sorted(this.#problems) }
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
    const parsed = this.#object(shapes.gatewayShape, given ?? {}, ['gateway'])
    const { id, ...levels } = (parsed ?? {}) as z.output<typeof shapes.gatewayShape>
    const host = hostname().replace(/[^A-Za-z0-9._-]/g, '-') || 'gateway'
    return { gateway: id ?? host, ...defined(levels) }
  }

  #log(given: unknown): Configuration['log'] {
    const parsed = this.#object(shapes.logShape, given ?? {}, ['log']) as z.output<typeof shapes.logShape> | undefined
    return {
      path: resolve(this.#folder, parsed?.path ?? '.'),
      quotaBytes: parsed?.quota ?? 0,
      commitEveryMs: parsed?.commitEvery ?? 0,
      evict: parsed?.evict ?? 'oldest',
    }
  }

  #connections(given: unknown): Connection[] {
    const found: Connection[] = []
    for (const [name, keys] of this.#named(given, ['connections'])) {
      const path = ['connections', name]
      const kind = this.#kind(keys, 'driver', this.#kinds.drivers, path)
      if (kind === undefined) continue
      const { driver, ...own } = keys
      const settings = this.#object(kind.connection, own, path, ['driver'])
      found.push({ name, driver: String(driver), settings: settings ?? supposed(kind.connection, own), schema: kind })
    }
    return found
  }

  #sinks(given: unknown): { sinks: SinkConfiguration[]; stated: boolean } {
    const sinks: SinkConfiguration[] = []
    let stated = true
    for (const [name, keys] of this.#named(given, ['sinks'])) {
      const path = ['sinks', name]
      const kind = this.#kind(keys, 'type', this.#kinds.sinks, path)
      if (kind === undefined) continue
      const { type, ...own } = keys
      const whole = shapes.sinkShape.extend(kind.settings.shape)
      const parsed = this.#object(whole, own, path, ['type']) as z.output<typeof shapes.sinkShape> | undefined
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
    for (const [name, own] of this.#named(given, ['devices'])) {
      const path = ['devices', name]
      const plain = (written as Record<string, Keys> | null)?.[name]
      const keys = this.#withProfile(own, plain, path)
      const connection = this.#connectionOf(keys, byName, path)
      if (connection === undefined) continue
      const { schema } = connection
      const { groups: groupsGiven, ...rest } = keys
      const whole = shapes.deviceShape.extend(schema.device.shape)
      const parsed = this.#object(whole, rest, path, ['groups']) as z.output<typeof shapes.deviceShape> | undefined
      const usable = parsed ?? supposed(whole, rest)
      const device: DevicePlan = {
        name,
        connection: connection.name,
        path: gateway,
        enabled: parsed?.enabled ?? true,
        settings: this.#deviceSettings(schema, usable, connection.settings, path),
      }
      devices.push(device)
      for (const [group, groupKeys] of this.#named(groupsGiven, [...path, 'groups'])) {
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
      const meant = Object.keys(keys).find((key) => !unknownKey(key, ['connection']).includes('expected one of'))
      if (meant === undefined) {
        this.#problem(path, 'connection is missing: name the connection it is reached by', 'key')
        return [...known.values()][0]
      }
      // The key itself is reported with the device's other unknown ones.
      wanted = keys[meant]
      keys.connection = wanted
    }
    const found = known.get(String(wanted))
    if (found !== undefined) return found
    // A connection whose own keys are wrong has been reported already.
    const written = (this.#tree!.value as { connections?: Keys }).connections
    if (isMap(written) && Object.hasOwn(written, String(wanted))) return undefined
    const names = [...known.keys()]
    const near = nearest(String(wanted), names)
    const hint = near === undefined ? `there are: ${names.join(', ') || 'none'}` : `did you mean "${near}"?`
    this.#problem([...path, 'connection'], `there is no connection "${String(wanted)}": ${hint}`, 'value')
    return known.get(near ?? names[0] ?? '')
  }

  #deviceSettings(schema: DriverKindSchema, device: unknown, connection: unknown, path: Path): unknown {
    if (device === undefined || connection === undefined) return undefined
    try {
      return schema.resolveDevice(device, connection)
    } catch (thrown) {
      const [, key, text] = /^(\w+): (.*)$/s.exec(sentence(thrown)) ?? [undefined, '', sentence(thrown)]
      this.#problem([...path, key!], text!, 'value')
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
    const own = this.#object(shapes.groupShape, keys, path) as z.output<typeof shapes.groupShape> | undefined
    const rows = this.#tags(keys.tags, given.plain, path)
    const presets = {
      report: own?.report ?? 'always',
      heartbeatMs: own?.heartbeat ?? 600_000,
      deadband: own?.deadband === undefined ? null : this.#same(own.deadband),
    } as const
    const made = rows.flatMap(({ name, keys: tagKeys, path: tagPath }) => {
      const tag = this.#tag({ name, keys: tagKeys, path: tagPath, connection, device: given.parsed, presets })
      return tag === undefined ? [] : [{ ...tag, path: tagPath }]
    })
    if (rows.length === 0 && own !== undefined) this.#problem([...path, 'tags'], 'this group has no tags', 'key')
    const readable = made.filter(({ tag }) => tag.access !== 'w')
    const writeOnly = made.filter(({ tag }) => tag.access === 'w')
    const index = new Map(readable.map(({ tag }, at) => [tag.info.name, at]))
    const tags: Tag[] = [...readable, ...writeOnly].map(({ tag, scaleFrom, path: tagPath }) => {
      const at = index.get(tag.info.name) ?? -1
      if (scaleFrom === undefined) return this.#same({ ...tag, index: tag.access === 'w' ? -1 : at })
      const by = index.get(scaleFrom.tag)
      if (by === undefined || by === at) {
        const names = [...index.keys()]
        const near = nearest(scaleFrom.tag, names)
        const hint = near === undefined ? 'name a tag of the same group' : `did you mean "${near}"?`
        this.#problem([...tagPath, 'scaleFrom'], `there is no tag "${scaleFrom.tag}" in this group: ${hint}`, 'value')
        return tag
      }
      const mapping = this.#same({ ...tag.mapping, scaleFrom: this.#same({ index: by, as: scaleFrom.as }) })
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
        ...(given.labels === undefined ? {} : { labels: this.#same(given.labels) }),
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
      this.#origins.push({
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
        this.#problem(
          at,
          `there are two tags "${name}" in this group: this one and ${before.slice(5).join('.')}`,
          'key',
        )
        return
      }
      seen.set(name, at)
      found.push({ name, keys, path: at })
    }
    for (const [name, keys] of this.#named(tags, [...path, 'tags'])) {
      const at = [...path, 'tags', name]
      if (keys.fields === undefined || keys.fields === null) add(name, keys, at)
      else {
        const { fields, ...carrier } = keys
        for (const [field, own] of this.#named(fields, [...at, 'fields']))
          add(field, { ...carrier, ...own }, [...at, 'fields', field])
      }
    }
    return found
  }

  #tag(given: {
    name: string
    keys: Keys
    path: Path
    connection: Connection
    device: unknown
    presets: { report: 'always' | 'change'; heartbeatMs: number; deadband: Mapping['deadband'] }
  }): { tag: Tag; scaleFrom: { tag: string; as: 'pow10' | 'factor' } | undefined } | undefined {
    const { name, keys, path, connection, presets } = given
    const { schema } = connection
    const own = this.#object(this.#tagSchema(schema), keys, path) as
      | (z.output<typeof shapes.tagShape> & Keys)
      | undefined
    if (own === undefined) return undefined
    const before = this.#problems.length
    if (own.range !== undefined && (own.scale !== undefined || own.offset !== undefined)) {
      this.#problem([...path, 'range'], 'range and scale/offset say the same thing twice: keep one', 'key')
    }
    if (own.clamp === true && own.range === undefined)
      this.#problem([...path, 'clamp'], 'clamp: true needs a range', 'value')
    if (own.limits !== undefined && own.access === 'r') {
      this.#problem([...path, 'limits'], 'limits are for writes: give the tag access: rw', 'key')
    }
    const { decimals, bits, keepNaN } = sentinels(own.noValue)
    let resolved: { settings: unknown; kind: ValueKind; type: string } | undefined
    const misread = this.#places.size > 0 && this.#problems.some((one) => one.path === [...path, 'address'].join('.'))
    if (!misread && given.device !== undefined && connection.settings !== undefined) {
      const found = schema.resolve(own, given.device, connection.settings, { noValueBits: bits })
      if ('problems' in found) {
        for (const problem of found.problems) this.#problem([...path, problem.key], problem.text, 'value')
      } else resolved = found
    }
    if (resolved === undefined || this.#problems.length > before) return undefined
    const [scale, offset] = lineThrough(own)
    const mapping = this.#same<Mapping>({
      scale,
      offset,
      clamp: clampOf(own),
      precision: own.precision ?? null,
      noValue: decimals,
      keepNaN,
      enum:
        own.enum === undefined ? null : new Map(Object.entries(own.enum).map(([raw, label]) => [Number(raw), label])),
      unknown: own.unknown,
      scaleFrom: null,
      counter: own.counter === undefined ? null : this.#same(counterOf(own.counter)),
      deadband: own.deadband === undefined ? presets.deadband : this.#same(own.deadband),
      report: own.report ?? presets.report,
      heartbeatMs: own.heartbeat ?? presets.heartbeatMs,
    })
    const info = this.#same<TagInfo>({
      name,
      type: resolved.type,
      kind: kindAfter(resolved.kind, mapping, own.scaleFrom !== undefined),
      ...(own.unit === undefined ? {} : { unit: own.unit }),
      ...(own.labels === undefined ? {} : { labels: this.#same(own.labels) }),
    })
    const tag: Tag = {
      index: -1,
      info,
      access: own.access,
      limits: own.limits ?? null,
      mapping,
      settings: this.#same(resolved.settings as object),
    }
    return { tag, scaleFrom: own.scaleFrom }
  }

  #tagSchema(kind: DriverKindSchema): z.ZodObject {
    let schema = this.#tagSchemas.get(kind)
    if (schema === undefined) {
      schema = shapes.tagShape.extend(kind.tag.shape)
      this.#tagSchemas.set(kind, schema)
    }
    return schema
  }

  // ── other files ──────────────────────────────────────────────────────────────────────────────

  #table(file: string, path: Path): TagTable | undefined {
    if (this.#tables.has(file)) return this.#tables.get(file)
    let table: TagTable | undefined
    try {
      table = parseTagTable(readFileSync(file, 'utf8'))
      for (const { line, column, text } of table.problems) this.#problems.push({ file, line, column, path: '', text })
    } catch {
      this.#problem(path, `the file ${file} cannot be read`, 'value')
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
      this.#problem([...path, 'profile'], `there is no profile "${profile}": expected ${file}`, 'value')
      return keys
    }
    const at = (offset: number) => tree.position(offset)
    for (const { offset, text } of tree.problems) this.#problems.push({ file, ...at(offset), path: '', text })
    if (tree.value === undefined) return keys
    this.#origins.push({
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

  // ── checking ─────────────────────────────────────────────────────────────────────────────────

  /** The map at a path; what is none is a problem and counts as empty. */
  #map(given: unknown, path: Path, known: readonly string[] | undefined): Keys {
    if (given === null || given === undefined) return {}
    if (typeof given !== 'object' || Array.isArray(given)) {
      this.#problem(
        path,
        path.length === 0 ? 'expected keys such as connections, devices and sinks' : 'expected a map of keys',
        'value',
      )
      return {}
    }
    if (known !== undefined) {
      for (const key of Object.keys(given)) {
        if (!known.includes(key)) this.#problem([...path, key], unknownKey(key, known), 'key')
      }
    }
    return given as Keys
  }

  /** The entries of a map of named things, those with a usable name and a map for a value. */
  #named(given: unknown, path: Path): [string, Keys][] {
    const found: [string, Keys][] = []
    for (const [name, keys] of Object.entries(this.#map(given, path, undefined))) {
      const at = [...path, name]
      if (!shapes.NAME.test(name) || Buffer.byteLength(name) > shapes.LONGEST_NAME) {
        const text = `"${name}" is not a name: expected letters, digits, "_", "-" and ".", not beginning with "-" or ".", at most ${shapes.LONGEST_NAME} bytes`
        this.#problem(at, text, 'key')
      } else if (keys !== null && (typeof keys !== 'object' || Array.isArray(keys))) {
        this.#problem(at, 'expected a map of keys', 'value')
      } else found.push([name, (keys ?? {}) as Keys])
    }
    return found
  }

  #kind<K>(keys: Keys, key: 'driver' | 'type', kinds: Readonly<Record<string, K>>, path: Path): K | undefined {
    const given = keys[key]
    const names = Object.keys(kinds)
    if (typeof given === 'string' && Object.hasOwn(kinds, given)) return kinds[given]
    if (given === undefined || given === null) {
      const foreign = Object.keys(keys).find((one) => unknownKey(one, [key]).includes(`"${key}"`))
      if (foreign === undefined) this.#problem(path, `${key} is missing: expected one of ${names.join(', ')}`, 'key')
      else this.#problem([...path, foreign], unknownKey(foreign, [key]), 'key')
      return undefined
    }
    const near = nearest(String(given), names)
    const hint = near === undefined ? `expected one of ${names.join(', ')}` : `did you mean "${near}"?`
    this.#problem([...path, key], `there is no ${key} "${String(given)}": ${hint}`, 'value')
    // The rest is read as it was probably meant, so that its own mistakes are seen too.
    return near === undefined ? undefined : kinds[near]
  }

  /** What a schema makes of the keys; undefined: there were problems, and all of them have been said. */
  #object(object: z.ZodObject, given: unknown, path: Path, beside: readonly string[] = []): Keys | undefined {
    const before = this.#problems.length
    const known = Object.keys(object.shape)
    const keys = { ...this.#map(given, path, [...known, ...beside]) }
    this.#nestedKeys(object, keys, path)
    // An empty key ("port:") is a key that is not there.
    for (const key of Object.keys(keys)) if (keys[key] === null) delete keys[key]
    const parsed = object.safeParse(keys)
    if (!parsed.success) {
      for (const issue of parsed.error.issues) this.#issue(issue, path, keys)
    }
    return parsed.success && this.#problems.length === before ? parsed.data : undefined
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
      for (const one of strange) this.#problem([...at, one], unknownKey(one, known), 'key')
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
      const foreign = Object.keys(keys).find((one) => unknownKey(one, [String(key)]).includes(`called "${key}"`))
      // The mistake is the key that stands there in its place, and has been said.
      if (foreign !== undefined) return
      const near = nearest(
        String(key),
        Object.keys(keys).filter((one) => one !== key),
      )
      const known = near !== undefined && this.#problems.some(({ path: said }) => said === [...path, near].join('.'))
      if (known) return
      const expected =
        /^expected|^Invalid/.test(issue.message) && issue.message.startsWith('expected') ? `: ${issue.message}` : ''
      this.#problem([...path, ...below.slice(0, -1)], `${key} is missing${expected}`, 'key')
    } else if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) this.#problem([...at, key], unknownKey(key, []), 'key')
    } else if (issue.code === 'invalid_value') {
      const values = issue.values.map(String)
      const given = below.reduce<unknown>((value, part) => (value as Keys | undefined)?.[part], keys)
      const near = typeof given === 'string' ? nearest(given, values) : undefined
      const said = issue.message.startsWith('Invalid') ? `expected one of ${values.join(', ')}` : issue.message
      this.#problem(at, near === undefined ? said : `${said}; did you mean "${near}"?`, 'value')
    } else {
      const plain = issue.message.startsWith('Invalid input: expected ')
      this.#problem(
        at,
        plain ? issue.message.slice('Invalid input: '.length).replace(/, received.*/, '') : issue.message,
        'value',
      )
    }
  }

  #problem(path: Path, text: string, what: 'key' | 'value'): void {
    const tree = this.#tree
    if (tree === undefined) return
    if (!tree.has(path)) {
      for (const origin of this.#origins) {
        if (!origin.at.every((part, at) => path[at] === part)) continue
        const place = origin.locate(path.slice(origin.at.length), what)
        if (place !== undefined) {
          this.#push({ file: origin.file, ...place, path: path.join('.'), text })
          return
        }
      }
    }
    this.#problemAt(tree.position(tree.locate(path, what)), path, text)
  }

  #problemAt(place: { line: number; column: number }, path: Path, text: string): void {
    this.#push({ file: this.#file, ...place, path: path.join('.'), text })
  }

  /** One problem a place: what follows from a mistake is not a mistake of its own. */
  #push(problem: Problem): void {
    const { file, line, column, path } = problem
    const key = `${file}:${line}:${column}:${path}`
    if (path !== '' && this.#places.has(key)) return
    this.#places.add(key)
    this.#problems.push(problem)
  }

  /** One object for all that are equal: 100,000 tags have a handful of mappings, and a hundred devices of one kind the same
   *  tags. Objects inside are told apart by identity, so what they hold must have been made the same before. */
  #same<T extends object>(value: T): T {
    let key = ''
    for (const [name, inner] of Object.entries(value)) {
      if (typeof inner === 'object' && inner !== null) key += `${name}:${this.#formOf(inner)};`
      else key += `${name}=${typeof inner}${String(inner)};`
    }
    const known = this.#shared.get(key)
    if (known !== undefined) return known as T
    this.#shared.set(key, value)
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

/** What keys with mistakes in them probably mean: the wrong ones left out, the missing ones made up. Only to check what depends
 *  on them. */
function supposed(schema: z.ZodObject, given: Keys): Keys | undefined {
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

function laidOver(below: Keys, above: Keys): Keys {
  const whole: Keys = { ...below }
  for (const [key, value] of Object.entries(above)) {
    const under = whole[key]
    const both = isMap(under) && isMap(value)
    whole[key] = both ? laidOver(under, value) : value
  }
  return whole
}

function isMap(value: unknown): value is Keys {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function defined(keys: object): object {
  return Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== undefined))
}

function sentinels(given: z.output<typeof shapes.tagShape>['noValue']) {
  const decimals: number[] = []
  const bits: bigint[] = []
  let keepNaN = false
  for (const one of given === undefined ? [] : Array.isArray(given) ? given : [given]) {
    if (typeof one === 'number') decimals.push(one)
    else if (/^0x/i.test(one)) bits.push(BigInt(one))
    else if (/^none$/i.test(one)) keepNaN = true
    else if (!/^nan$/i.test(one)) decimals.push(Number(one))
  }
  return { decimals, bits, keepNaN }
}

function lineThrough({ range, scale, offset }: z.output<typeof shapes.tagShape>): [number, number] {
  if (range === undefined) return [scale ?? 1, offset ?? 0]
  const [raw0, raw1, value0, value1] = range
  const slope = (value1 - value0) / (raw1 - raw0)
  return [slope, value0 - raw0 * slope]
}

function clampOf({ range, clamp }: z.output<typeof shapes.tagShape>): readonly [number, number] | null {
  if (clamp === undefined || clamp === false) return null
  if (clamp !== true) return clamp
  const [, , value0, value1] = range!
  return [Math.min(value0, value1), Math.max(value0, value1)]
}

function counterOf(counter: NonNullable<z.output<typeof shapes.tagShape>['counter']>): NonNullable<Mapping['counter']> {
  return counter === true
    ? { wrap: null, maxStep: null }
    : { wrap: counter.wrap ?? null, maxStep: counter.maxStep ?? null }
}

/** What the value is once it has been mapped. */
function kindAfter(kind: ValueKind, mapping: Mapping, scaledFrom: boolean): ValueKind {
  if (mapping.enum !== null) return 'text'
  if (kind !== 'integer') return kind
  const whole = Number.isInteger(mapping.scale) && Number.isInteger(mapping.offset) && !scaledFrom
  return whole || mapping.precision === 0 ? 'integer' : 'real'
}
