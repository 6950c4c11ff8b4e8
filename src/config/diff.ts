/** What a new configuration would change, in components. Keys are named, values never: they may be secrets. Pure. */
import { isDeepStrictEqual } from 'node:util'
import type { Configuration } from './configuration.ts'

export interface Change {
  /** `gateway`, `board`, `console`, `log`, `connection plc7`, `device oven`, `group oven/fast`, `sink emqx`. */
  readonly component: string
  readonly change: 'kept' | 'restarted' | 'added' | 'removed'
  /** Which of its keys differ. */
  readonly keys: readonly string[]
  readonly text: string
}

export function diff(before: Configuration, after: Configuration): readonly Change[] {
  return [
    single('gateway', before.gateway, after.gateway, 'its name or path changed: every device and sink starts anew'),
    single('board', before.board, after.board, 'takes effect when the service is restarted'),
    single('console', before.console, after.console, 'its address changed: it is opened there'),
    single('log', before.log, after.log, 'takes effect when the service is restarted'),
    single('watchdog', before.watchdog, after.watchdog, 'takes effect when the service is restarted'),
    ...several('connection', before.connections, after.connections, (one) => one.name),
    ...several('device', before.devices, after.devices, (one) => one.name),
    ...several('group', before.groups.map(seen), after.groups.map(seen), (one) => one.name),
    ...several('sink', before.sinks, after.sinks, (one) => one.name, 'what it has not been sent yet is dropped for it'),
  ]
}

/** The changes with what they cost: what a sink that goes away has not been sent yet. `pending`: undefined where nobody knows. */
export function dropping(changes: readonly Change[], pending: (sink: string) => number | undefined): readonly Change[] {
  return changes.map((change) => {
    const [noun, name = ''] = change.component.split(' ')
    const entries = noun === 'sink' && change.change === 'removed' ? pending(name) : undefined
    if (entries === undefined) return change
    return { ...change, text: `${entries} entries that it has not been sent yet are dropped for it` }
  })
}

/** A group in the words of the file. Ids and revisions are given anew with each load and say nothing. */
function seen({ ref, device, everyMs, phaseMs, priority, tags }: Configuration['groups'][number]) {
  const { path, ...own } = device
  return { name: `${ref.device}/${ref.group}`, everyMs, phaseMs, priority, tags, path, device: own }
}

function single(component: string, before: object, after: object, text: string): Change {
  const keys = differing(before, after)
  return keys.length === 0
    ? { component, change: 'kept', keys, text: 'unchanged' }
    : { component, change: 'restarted', keys, text }
}

function several<T extends object>(
  noun: string,
  before: readonly T[],
  after: readonly T[],
  nameOf: (one: T) => string,
  lost = 'goes away',
): Change[] {
  const old = new Map(before.map((one) => [nameOf(one), one]))
  const fresh = new Map(after.map((one) => [nameOf(one), one]))
  const changes: Change[] = []
  for (const [name, one] of old) {
    if (!fresh.has(name)) changes.push({ component: `${noun} ${name}`, change: 'removed', keys: [], text: lost })
    else {
      const keys = differing(one, fresh.get(name)!)
      changes.push(
        keys.length === 0
          ? { component: `${noun} ${name}`, change: 'kept', keys, text: 'unchanged' }
          : { component: `${noun} ${name}`, change: 'restarted', keys, text: `changed: ${keys.join(', ')}` },
      )
    }
  }
  for (const name of fresh.keys()) {
    if (!old.has(name)) changes.push({ component: `${noun} ${name}`, change: 'added', keys: [], text: 'new' })
  }
  return changes
}

function differing(before: object, after: object, prefix = ''): string[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...keys].flatMap((key) => {
    const [a, b] = [(before as Record<string, unknown>)[key], (after as Record<string, unknown>)[key]]
    if (isDeepStrictEqual(a, b)) return []
    const name = prefix + key.replace(/(Ms|Bytes)$/, '')
    return key === 'settings' && isMap(a) && isMap(b) ? differing(a, b) : [name]
  })
}

function isMap(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
