/** From a file to a configuration, or to all that is wrong with it. */
import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { dirname, resolve } from 'node:path'
import type { z } from 'zod'
import type { BoardDescription } from '../../hal/contract.ts'
import type { Isa95Path } from '../contracts/batch.ts'
import type { DevicePlan } from '../contracts/driver.ts'
import { readBoard } from './boards.ts'
import { Check, isMap, supposed } from './check.ts'
import type { Configuration } from './configuration.ts'
import { readConsole } from './console.ts'
import { type Connection, DeviceReader } from './devices.ts'
import type { DriverKindSchema, Kinds } from './kinds.ts'
import { Places } from './places.ts'
import { type Problem, sorted } from './problems.ts'
import * as shapes from './shapes.ts'
import { idlePatterns, readSinks, sayCollisions } from './sinks.ts'
import { readText, Texts } from './texts.ts'
import { parseTree } from './tree.ts'

export type Loaded =
  | { readonly ok: true; readonly configuration: Configuration; readonly notices: readonly string[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

export interface LoadOptions {
  readonly file: string
  /** Read in place of the file's content: another text, or a configuration's `frozen`. */
  readonly text?: string
  readonly kinds: Kinds
  readonly env: NodeJS.ProcessEnv
  /** Files of profiles by name, which go before those beside the file. */
  readonly profiles?: Readonly<Record<string, string>>
}

export async function load({ file: given, text, kinds, env, profiles = {} }: LoadOptions): Promise<Loaded> {
  const file = resolve(given)
  const read = text === undefined ? readText(file) : ({ ok: true, text } as const)
  if (!read.ok) {
    const why =
      read.line > 0
        ? read.why
        : read.why === 'does not exist'
          ? 'there is no such file: name one with --config'
          : `the file ${read.why}`
    return { ok: false, problems: [{ file, line: Math.max(1, read.line), column: 1, path: '', text: why }] }
  }
  return loadText(file, read.text, { kinds, env, profiles })
}

function loadText(
  file: string,
  text: string,
  { kinds, env, profiles }: Required<Pick<LoadOptions, 'kinds' | 'env' | 'profiles'>>,
): Loaded {
  const folder = dirname(file)
  const texts = new Texts({ folder, text })
  const tree = parseTree(texts.own, { folder, env })
  const places = new Places(file, tree)
  if (tree.value === undefined) return { ok: false, problems: sorted(places.problems, file) }
  const check = new Check(places, sections(kinds))
  const root = check.map(withoutOwn(tree.value), [], shapes.fileKeys)
  const notices: string[] = []
  if (root.redundancy != null) places.say(['redundancy'], 'redundancy is not available in this version', 'key')
  const notice = (text: string): unknown => notices.push(text)
  const board = readBoard(root.board, { check, texts, env, boards: kinds.boards, notice })
  const gateway = readGateway(check, root.gateway)
  const log = readLog(check, root.log, folder)
  const watchdog = readWatchdog(check, root.watchdog)
  const connections = readConnections(check, root.connections, kinds.drivers)
  checkPorts(connections, board, places)
  const reader = new DeviceReader({
    check,
    texts,
    tree,
    folder,
    env,
    gateway,
    connections,
    invert: kinds.invert,
    profiles: { shipped: shippedIn(kinds), files: profiles },
  })
  const { devices, groups } = reader.read(root.devices)
  const { sinks, oneWay } = readSinks(root.sinks, { check, kinds: kinds.sinks, folder })
  const console = readConsole(check, root.console, oneWay)
  notices.push(...console.notices)
  if (oneWay) refuseSelfWrites(devices, connections, places)
  sayCollisions(sinks, groups, { check, collisions: kinds.collisions })
  if (places.problems.length > 0) return { ok: false, problems: sorted(places.problems, file) }
  const frozen = texts.frozen()
  return {
    ok: true,
    notices: [...notices, ...idlePatterns(sinks, groups)],
    configuration: {
      gateway,
      board,
      connections: connections.map(({ schema: _, ...connection }) => connection),
      devices,
      groups,
      sinks,
      log,
      console: { listen: console.listen },
      watchdog,
      oneWay,
      source: { file, sha256: createHash('sha256').update(frozen).digest('hex') },
      frozen,
    },
  }
}

/** A serial port carries one connection, and must be able to do what the connection wants of it. */
function checkPorts(connections: readonly Connection[], board: BoardDescription, places: Places): void {
  const taken = new Map<string, string>()
  for (const { name, settings, schema } of connections) {
    if (settings === undefined) continue
    for (const { key, text } of schema?.boardProblems?.(settings, board) ?? []) {
      places.say(['connections', name, key], text, 'key')
    }
    const port = schema?.port?.(settings) ?? null
    if (port === null) continue
    const other = taken.get(port)
    if (other !== undefined) {
      const text = `${port} is the port of connection ${other} already: a wire is one connection, put the devices of both on one`
      places.say(['connections', name, 'port'], text, 'value')
    }
    taken.set(port, name)
  }
}

/** A gateway whose door is shut on purpose writes nothing at all, not by itself either. */
function refuseSelfWrites(devices: readonly DevicePlan[], connections: readonly Connection[], places: Places): void {
  for (const { name, connection, settings } of devices) {
    const kind = connections.find((one) => one.name === connection)?.schema
    const key = settings === undefined ? null : (kind?.selfWrites?.(settings) ?? null)
    if (key === null) continue
    const text = `every sink says commands: none, so this gateway writes nothing, not even ${key}: leave it out, or leave commands out where nobody is forbidden to write`
    places.say(['devices', name, key], text, 'key')
  }
}

function shippedIn({ drivers }: Kinds): readonly string[] {
  return [...new Set(Object.values(drivers).flatMap(({ profiles }) => profiles ?? []))]
}

/** Keys `x-…` of the file are the author's own: a place for what is repeated by `*`. */
function withoutOwn(root: unknown): unknown {
  return isMap(root) ? Object.fromEntries(Object.entries(root).filter(([key]) => !key.startsWith('x-'))) : root
}

function readGateway(check: Check, given: unknown): Isa95Path {
  const parsed = check.object(shapes.gatewayShape, given, ['gateway'])
  const { id, ...levels } = (parsed ?? {}) as z.output<typeof shapes.gatewayShape>
  const host = hostname().replace(/[^A-Za-z0-9._-]/g, '-') || 'gateway'
  return { gateway: id ?? host, ...Object.fromEntries(Object.entries(levels).filter(([, name]) => name !== undefined)) }
}

function readLog(check: Check, given: unknown, folder: string): Configuration['log'] {
  const parsed = check.object(shapes.logShape, given, ['log']) as z.output<typeof shapes.logShape> | undefined
  return {
    path: resolve(folder, parsed?.path ?? '.'),
    quotaBytes: parsed?.quota ?? 0,
    commitEveryMs: parsed?.commitEvery ?? 0,
    evict: parsed?.evict ?? 'oldest',
  }
}

function readConnections(check: Check, given: unknown, drivers: Kinds['drivers']): Connection[] {
  return check.named(given, ['connections']).map(([name, written]) => {
    const path = ['connections', name]
    const keys = { ...written }
    const { name: driver, kind } = check.kind<DriverKindSchema>(keys, 'driver', drivers, path)
    if (kind === undefined) return { name, driver, settings: undefined, schema: undefined }
    const settings = check.object(kind.connection, keys, path) ?? supposed(kind.connection, keys)
    return { name, driver, settings, schema: kind }
  })
}

/** Keys by what has them, to tell a key that stands in the wrong place where it belongs. */
function readWatchdog(check: Check, given: unknown): Configuration['watchdog'] {
  const parsed = check.object(shapes.watchdogShape, given, ['watchdog'])
  return { hardware: false, ...(parsed as z.output<typeof shapes.watchdogShape> | undefined) }
}

function sections({ drivers, sinks }: Pick<Kinds, 'drivers' | 'sinks'>): Readonly<Record<string, readonly string[]>> {
  const keysOf = (...schemas: readonly z.ZodObject[]) => schemas.flatMap((schema) => Object.keys(schema.shape))
  const kinds = Object.values(drivers)
  return {
    'a tag': keysOf(shapes.tagShape, ...kinds.map((kind) => kind.tag)),
    'a group': keysOf(shapes.groupShape),
    'a device': keysOf(shapes.deviceShape, ...kinds.map((kind) => kind.device)),
    'a connection': ['driver', ...keysOf(...kinds.map((kind) => kind.connection))],
    'a sink': ['type', ...keysOf(shapes.sinkShape, ...Object.values(sinks).map((kind) => kind.settings))],
    log: keysOf(shapes.logShape),
    console: keysOf(shapes.consoleShape),
    watchdog: keysOf(shapes.watchdogShape),
    gateway: keysOf(shapes.gatewayShape),
    'the file itself': shapes.fileKeys,
  }
}
