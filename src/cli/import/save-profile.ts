/** A profile from a device of the configuration, with what a running gateway has learnt of it. */
import { basename, dirname, join, relative, resolve } from 'node:path'
import type { Configuration } from '../../config/configuration.ts'
import type { DriverKindSchema } from '../../config/kinds.ts'
import { readText } from '../../config/texts.ts'
import { parseTree } from '../../config/tree.ts'
import { yamlText } from '../../config/write.ts'
import type { Knowledge } from '../../contracts/driver.ts'
import { Rejected } from '../../contracts/errors.ts'
import { parseRange } from '../../southbound/modbus/schema/address.ts'
import type { DeviceSettings, TagSettings } from '../../southbound/modbus/settings.ts'
import { isMap, type Keys, type Note } from './findings.ts'

export interface Saving {
  readonly configuration: Configuration
  /** The configuration's file. */
  readonly file: string
  readonly device: string
  /** Where the profile will stand. */
  readonly output: string
  /** What the running gateway has learnt; undefined: nothing, or none runs. */
  readonly knowledge: Knowledge | undefined
  readonly kinds: Readonly<Record<string, DriverKindSchema>>
}

/** What belongs to the one device, not to its kind. */
const ONES_OWN = ['connection', 'unitId', 'profile', 'enabled', 'setupWrites']

export function profileOf({ configuration, file, device, output, knowledge, kinds }: Saving): {
  text: string
  notes: Note[]
} {
  const notes: Note[] = []
  const own = keysOf(file, ['devices', device])
  const plan = configuration.devices.find(({ name }) => name === device)
  if (own === undefined || plan === undefined) {
    const names = configuration.devices.map(({ name }) => name).join(', ')
    throw new Rejected(`there is no device "${device}": there are ${names === '' ? 'none' : names}`)
  }
  const under = typeof own.profile === 'string' ? profileKeys(own.profile, file, kinds) : {}
  const { groups, ...keys } = laidOver(under, own)
  for (const key of ONES_OWN) delete keys[key]
  if (isMap(groups)) for (const group of Object.values(groups)) moveTable(group, output)
  const learnt = knowledge === undefined ? {} : withLearnt(keys, knowledge)
  const left = knowledge === undefined ? [] : omit(groups, knowledge, configuration, device, notes)
  const value = {
    title: keys.title ?? `${device}, as it was configured`,
    ...keys,
    ...learnt,
    ...(groups === undefined ? {} : { groups }),
  }
  const head = [`Made from the device ${device} of ${basename(file)} by fieldgate import --save-profile.`]
  const tail =
    knowledge === undefined
      ? []
      : ['', `Learnt: it ${knowledge.sentences.join('; it ')}.`, ...left.map((text) => `- ${text}`)]
  return { text: yamlText({ value, head, tail }), notes }
}

/** The keys at a place of a file, with references to secrets as they are written. Tables are named by their whole path. */
function keysOf(file: string, path: readonly string[]): Keys | undefined {
  const read = readText(file)
  if (!read.ok) throw new Rejected(`${file}: ${read.why}`)
  const tree = parseTree(read.text, { folder: dirname(file), env: process.env })
  for (const [key, { written }] of tree.substitutions) {
    const way = key.split('\0')
    let holder = tree.value as Keys
    for (const part of way.slice(0, -1)) holder = holder[part] as Keys
    holder[way.at(-1)!] = written
  }
  const found = path.reduce<unknown>((value, part) => (isMap(value) ? value[part] : undefined), tree.value)
  if (!isMap(found)) return undefined
  if (isMap(found.groups)) {
    for (const group of Object.values(found.groups)) {
      if (isMap(group) && isMap(group.tags) && typeof group.tags.file === 'string') {
        group.tags = { ...group.tags, file: resolve(dirname(file), group.tags.file) }
      }
    }
  }
  return found
}

function profileKeys(name: string, file: string, kinds: Saving['kinds']): Keys {
  const folders = [join(dirname(file), 'profiles'), ...Object.values(kinds).flatMap(({ profiles }) => profiles ?? [])]
  for (const folder of folders) {
    const path = join(folder, `${basename(name)}.yaml`)
    if (readText(path).ok) return keysOf(path, []) ?? {}
  }
  throw new Rejected(`the profile "${name}" of the device is not there`)
}

function laidOver(below: Keys, above: Keys): Keys {
  const whole: Keys = { ...below }
  for (const [key, value] of Object.entries(above)) {
    const under = whole[key]
    whole[key] = isMap(under) && isMap(value) ? laidOver(under, value) : value
  }
  return whole
}

function moveTable(group: unknown, output: string): void {
  if (!isMap(group) || !isMap(group.tags) || typeof group.tags.file !== 'string') return
  group.tags = { ...group.tags, file: relative(dirname(output), group.tags.file) }
}

/** Limits that are narrower than those written, ranges beside those written. */
function withLearnt(keys: Keys, { keys: learnt }: Knowledge): Keys {
  const found: Keys = {}
  for (const [key, value] of Object.entries(learnt)) {
    if (key === 'omit') continue
    const before = keys[key]
    if (typeof value === 'number') found[key] = typeof before === 'number' ? Math.min(before, value) : value
    else found[key] = [...new Set([...(Array.isArray(before) ? before : []), ...value])]
  }
  return found
}

/** Leaves out the tags whose registers the device refuses; says which. */
function omit(
  groups: unknown,
  { keys }: Knowledge,
  configuration: Configuration,
  device: string,
  notes: Note[],
): string[] {
  const said: string[] = []
  const refused = keys.omit
  if (!Array.isArray(refused)) return said
  const plans = configuration.groups.filter(({ ref }) => ref.device === device)
  for (const text of refused as readonly string[]) {
    for (const { ref, device: plan, tags } of plans) {
      const range = parseRange(text, (plan.settings as DeviceSettings).digits)
      if ('problem' in range) continue
      for (const { info, settings } of tags) {
        const { area, address, span } = settings as TagSettings
        if (area !== range.area || address > range.to || address + span - 1 < range.from) continue
        const group = isMap(groups) ? groups[ref.group] : undefined
        const list = isMap(group) ? group.tags : undefined
        const there = isMap(list) && isMap(list[info.name])
        if (there) delete (list as Keys)[info.name]
        const why = `the device refuses ${text}: ${there ? 'left out' : 'take it out of its table or fields'}`
        notes.push({ place: `${ref.group}/${info.name}`, text: why })
        said.push(`${ref.group}/${info.name}: ${why}`)
      }
    }
  }
  return said
}
