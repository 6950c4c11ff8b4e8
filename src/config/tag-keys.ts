/** The keys of a tag on one kind of driver: those that every tag has, and the driver's own. */
import type { z } from 'zod'
import type { DriverKindSchema } from './kinds.ts'
import * as shapes from './shapes.ts'

export interface TagKeys {
  readonly common: z.ZodObject
  readonly own: z.ZodObject
  readonly whole: z.ZodObject
  readonly known: readonly string[]
  isOwn(key: string): boolean
}

const made = new WeakMap<DriverKindSchema, TagKeys>()

export function tagKeysOf(kind: DriverKindSchema): TagKeys {
  let keys = made.get(kind)
  if (keys === undefined) {
    const own = new Set(Object.keys(kind.tag.shape))
    const beside = Object.fromEntries(Object.entries(shapes.tagShape.shape).filter(([key]) => !own.has(key)))
    const whole = shapes.tagShape.extend(kind.tag.shape)
    keys = {
      common: shapes.tagShape.pick(
        Object.fromEntries(Object.keys(beside).map((key) => [key, true])) as { scale: true },
      ),
      own: kind.tag,
      whole,
      known: Object.keys(whole.shape),
      isOwn: (key) => own.has(key),
    }
    made.set(kind, keys)
  }
  return keys
}
