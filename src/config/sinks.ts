/** Sinks as they are written become sinks as they are run: common keys beside the type's own. */
import { resolve } from 'node:path'
import type { z } from 'zod'
import type { GroupPlan } from '../contracts/driver.ts'
import { type Check, isMap, type Keys } from './check.ts'
import type { SinkConfiguration } from './configuration.ts'
import type { Collisions, SinkKindSchema } from './kinds.ts'
import * as shapes from './shapes.ts'

export function readSinks(
  given: unknown,
  options: { check: Check; kinds: Readonly<Record<string, SinkKindSchema>>; folder: string },
): { sinks: SinkConfiguration[]; oneWay: boolean } {
  const { check, kinds, folder } = options
  const sinks: SinkConfiguration[] = []
  let stated = true
  for (const [name, written] of check.named(given, ['sinks'])) {
    const path = ['sinks', name]
    const keys = { ...written }
    const { name: type, kind } = check.kind(keys, 'type', kinds, path)
    if (kind === undefined) continue
    const whole = shapes.sinkShape.extend(kind.settings.shape)
    const parsed = check.object(whole, keys, path) as z.output<typeof shapes.sinkShape> | undefined
    if (parsed === undefined) continue
    const { enabled, include, exclude, rename, deadband, minInterval, replay, from, commands, bigint, ...settings } =
      parsed
    for (const problem of kind.problems?.(settings) ?? [])
      check.places.say([...path, problem.key], problem.text, 'value')
    if (commands !== 'none') stated = false
    sinks.push({
      name,
      type,
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
      settings: located(settings, folder),
    })
  }
  return { sinks, oneWay: sinks.length > 0 && stated }
}

/** A sink's own names for two tags may coincide: one of them would be lost there. */
export function sayCollisions(
  sinks: readonly SinkConfiguration[],
  groups: readonly GroupPlan[],
  options: { check: Check; collisions: Collisions },
): void {
  const refs = groups.map(({ ref }) => ref)
  for (const sink of sinks) {
    if (Object.keys(sink.rename).length === 0) continue
    const [first, ...others] = options.collisions(sink, refs)
    if (first === undefined) continue
    const more = others.length === 0 ? '' : `, and ${others.length} more`
    options.check.places.say(['sinks', sink.name, 'rename'], `${first}${more}: give them different names`, 'value')
  }
}

/** Patterns that fit nothing: they are allowed, what they name may come later, but mostly they are mistakes. */
export function idlePatterns(sinks: readonly SinkConfiguration[], groups: readonly GroupPlan[]): readonly string[] {
  const notices: string[] = []
  for (const { name, include, exclude, rename, commands } of sinks) {
    const lists = { include, exclude, rename: Object.keys(rename), commands: Array.isArray(commands) ? commands : [] }
    for (const [key, patterns] of Object.entries(lists)) {
      for (const pattern of patterns) {
        if (!fits(pattern, groups)) notices.push(`sinks.${name}.${key}: "${pattern}" fits no device, group or tag`)
      }
    }
  }
  return notices
}

function fits(pattern: string, groups: readonly GroupPlan[]): boolean {
  const [device = '*', group = '*', tag] = pattern.split('/').map((part) => {
    const expression = part.replace(/[.]/g, '\\$&').replaceAll('*', '.*')
    return new RegExp(`^${expression}$`)
  })
  return groups.some(
    ({ ref, tags }) =>
      matches(device, ref.device) &&
      matches(group, ref.group) &&
      (tag === undefined || tags.some(({ info }) => tag.test(info.name))),
  )
}

function matches(pattern: RegExp | string, name: string): boolean {
  return typeof pattern === 'string' || pattern.test(name)
}

/** Files that a sink names stand relative to the configuration. */
function located(settings: Keys, folder: string): Keys {
  const { tls } = settings
  if (!isMap(tls)) return settings
  const files = Object.entries(tls).map(([key, value]) => {
    const path = ['ca', 'cert', 'key'].includes(key) && typeof value === 'string' && !value.includes('-----BEGIN')
    return [key, path ? resolve(folder, value as string) : value]
  })
  return { ...settings, tls: Object.fromEntries(files) }
}
