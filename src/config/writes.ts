/** What tags say of their writes must hold within their group: what goes together, and the value to leave behind. */
import type { Tag } from '../contracts/driver.ts'
import { sentence } from '../contracts/errors.ts'
import type { DriverKindSchema, Kinds } from './kinds.ts'
import type { Places } from './places.ts'
import { unknownName } from './spelling.ts'
import type { Path } from './tree.ts'

interface Surroundings {
  readonly kind: DriverKindSchema
  readonly invert: Kinds['invert']
  readonly places: Places
}

/** `tags` with the path each was written at. */
export function checkWrites(tags: readonly (readonly [Tag, Path])[], surroundings: Surroundings): void {
  const { places } = surroundings
  let byName: ReadonlyMap<string, Tag> | undefined
  for (const [tag, path] of tags) {
    const { upkeep } = tag
    if (upkeep === undefined) continue
    byName ??= new Map(tags.map(([one]) => [one.info.name, one]))
    const say = (key: string, text: string): void => places.say([...path, 'write', key], text, 'value')
    const { refreshMs, expiresMs } = upkeep
    if (refreshMs !== null && expiresMs !== null && refreshMs >= expiresMs) {
      say('refresh', 'refresh must be shorter than expires: otherwise nothing is ever written again')
    }
    const left = objectionToLeaving(tag, surroundings)
    if (left !== null) say('onStop', left)
    const apart = objectionToSet(tag, byName, surroundings.kind)
    if (apart !== null) say('with', apart)
  }
}

/** Why the value to leave behind cannot be written; null: it can, or only the running gateway knows. */
function objectionToLeaving(tag: Tag, { kind, invert }: Surroundings): string | null {
  const { onStop } = tag.upkeep!
  if (onStop === null || invert === undefined || tag.mapping.scaleFrom !== null) return null
  try {
    return kind.writable?.([{ settings: tag.settings, value: invert(tag, onStop) }]) ?? null
  } catch (thrown) {
    return sentence(thrown)
  }
}

function objectionToSet(tag: Tag, byName: ReadonlyMap<string, Tag>, kind: DriverKindSchema): string | null {
  const { name } = tag.info
  const names = tag.upkeep!.with
  if (names.length === 0) return null
  const set = [name, ...names]
  for (const other of names) {
    if (other === name) return 'a tag is always written with itself: name the others'
    const found = byName.get(other)
    if (found === undefined) return unknownName('tag', other, [...byName.keys()].slice(0, 1000)).text
    if (found.access === 'r') return `${other} is read-only: give it access: rw`
    const theirs = found.upkeep?.with ?? []
    if (theirs.length > 0 && !isSameSet([other, ...theirs], set)) {
      return `${other} is written together with ${theirs.join(', ')}: let both name the same tags`
    }
  }
  if (new Set(set).size < set.length) return 'a tag is named twice'
  const members = set.map((one) => byName.get(one)!)
  const leaving = members.filter(({ upkeep }) => upkeep !== undefined && upkeep.onStop !== null)
  if (leaving.length > 0 && leaving.length < members.length) {
    return 'tags that are written together leave a value behind together: give onStop to all of them, or to none'
  }
  return kind.writable?.(members.map(({ settings }) => ({ settings, value: null }))) ?? null
}

function isSameSet(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((one) => others.includes(one))
}
