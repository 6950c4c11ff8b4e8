/** What the field answers over its sockets, whether it runs alone or with the other half. */
import type { Configuration } from '../../config/configuration.ts'
import type { Clock } from '../../contracts/clock.ts'
import type { Field } from '../../field.ts'
import { doorMethods } from './door.ts'
import { type Around, diagnosed } from './errands.ts'
import type { Methods, Sockets } from './surfaces.ts'
import { traceMethods } from './trace.ts'
import { valueMethods } from './values.ts'

const AS_IT_IS: Around = (_, work) => work()

/** `around` stands around each exchange by hand, alone on its connection. */
export function lookingAt(field: Field, clock: Clock, around: Around = AS_IT_IS): Methods {
  return {
    ...valueMethods({ live: field.live, stored: ({ group }) => field.stored(group), clock }),
    ...traceMethods({ field, clock }),
    why: (given, call) => diagnosed({ field, around, given, call, mayAsk: false }),
  }
}

/** A gateway that is one-way has no door, not a locked one. */
export function doorOf(field: Field, { oneWay }: Configuration, around: Around = AS_IT_IS): Sockets {
  return oneWay ? {} : { door: doorMethods({ field, around }) }
}
