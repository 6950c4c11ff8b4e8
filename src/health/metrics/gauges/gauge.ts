/** How a metric is made from the things of one kind in a report. */
import type { Condition, State } from '../../../contracts/component.ts'
import type { Sample, Seen } from '../families.ts'

export interface Gauge {
  readonly name: string
  readonly type: 'counter' | 'gauge'
  readonly help: string
  readonly labels: readonly string[]
  /** Only where each device is asked for. */
  readonly devices?: true
  readonly samples: (seen: Seen) => Iterable<Sample>
}

export type Text = Readonly<Record<string, string>>
/** null or undefined: there is nothing to tell. */
type Value = number | null | undefined
const CONDITIONS: readonly Condition[] = ['fine', 'waiting', 'degraded', 'fault', 'refused']

export const seconds = (ms: Value): Value => (ms == null ? ms : ms / 1000)
export const flag = (is: boolean): number => (is ? 1 : 0)

function sample(labels: Text, value: Value): readonly Sample[] {
  return value == null ? [] : [{ labels, value }]
}

/** One series a thing, made from the things of one kind. */
export function each<T>(label: readonly string[], find: (seen: Seen) => readonly T[], labelsOf: (one: T) => Text) {
  return (
    name: string,
    help: string,
    value: (one: T, seen: Seen) => Value,
    more: { readonly type?: 'counter'; readonly devices?: true } = {},
  ): Gauge => ({
    name,
    type: more.type ?? 'gauge',
    help,
    labels: label,
    ...(more.devices === undefined ? {} : { devices: more.devices }),
    samples: (seen) => find(seen).flatMap((one) => sample(labelsOf(one), value(one, seen))),
  })
}

/** One series for each condition of each thing, 1 for the one it is in. */
export function stateOf<T extends { readonly state: State }>(
  name: string,
  help: string,
  label: readonly string[],
  find: (seen: Seen) => readonly T[],
  labelsOf: (one: T) => Text,
): Gauge {
  return {
    name,
    type: 'gauge',
    help,
    labels: [...label, 'condition'],
    samples: (seen) =>
      find(seen).flatMap((one) =>
        CONDITIONS.map((condition) => ({
          labels: { ...labelsOf(one), condition },
          value: flag(one.state.condition === condition),
        })),
      ),
  }
}
