/** What is equal in two configurations becomes the same object in both: whoever holds it goes on undisturbed. */
import { isDeepStrictEqual } from 'node:util'
import type { GroupPlan } from '../contracts/driver.ts'
import type { Configuration } from './configuration.ts'

/** `next` with every connection, device, group and sink of `before` that is equal put in its place. A group that changed
 *  keeps its id under a higher revision; a new one gets an id of its own. */
export function keepIdentity(before: Configuration, next: Configuration): Configuration {
  const groups = new Map(before.groups.map((plan) => [nameOf(plan), plan]))
  let lastId = before.groups.reduce((last, { ref }) => Math.max(last, ref.id), 0)
  return {
    ...next,
    connections: named(before.connections, next.connections),
    devices: named(before.devices, next.devices),
    sinks: named(before.sinks, next.sinks),
    groups: next.groups.map((plan) => {
      const old = groups.get(nameOf(plan))
      if (old !== undefined && isDeepStrictEqual(anonymous(old), anonymous(plan))) return old
      const id = old?.ref.id ?? ++lastId
      return { ...plan, ref: { ...plan.ref, id, revision: (old?.ref.revision ?? 0) + 1 } }
    }),
  }
}

function named<T extends { readonly name: string }>(before: readonly T[], next: readonly T[]): readonly T[] {
  const known = new Map(before.map((one) => [one.name, one]))
  return next.map((one) => {
    const old = known.get(one.name)
    return old !== undefined && isDeepStrictEqual(old, one) ? old : one
  })
}

function nameOf({ ref }: GroupPlan): string {
  return `${ref.device}/${ref.group}`
}

function anonymous(plan: GroupPlan): GroupPlan {
  return { ...plan, ref: { ...plan.ref, id: 0, revision: 0 } }
}
