/** A rolling counter becomes a total that survives wrap-arounds, resets and restarts. Pure. */

export interface CounterState {
  readonly total: number
  readonly raw: number
}

export interface CounterStep extends CounterState {
  /** The counter did not go on from where it was. */
  readonly reset: boolean
}

/** `wrap`: the count at which it starts again at 0. `maxStep`: a larger step is no counting. Raw units. After a reset the
 *  total goes on: by what the counter shows, where it can have counted that since it began again at 0, and else by nothing. */
export function count(
  before: CounterState | undefined,
  raw: number,
  { wrap, maxStep }: { readonly wrap: number | null; readonly maxStep: number | null },
): CounterStep {
  if (before === undefined) return { total: raw, raw, reset: false }
  const plausible = (step: number): boolean => step >= 0 && (maxStep === null || step <= maxStep)
  const step = raw - before.raw
  if (plausible(step)) return { total: sum(before.total, step), raw, reset: false }
  if (step < 0 && wrap !== null && plausible(step + wrap)) {
    return { total: sum(before.total, step + wrap), raw, reset: false }
  }
  // A jump upwards was never counted.
  const since = step < 0 && plausible(raw) ? raw : 0
  return { total: sum(before.total, since), raw, reset: true }
}

/** Counts with decimals must not gather the noise of their binary form. */
function sum(total: number, step: number): number {
  const exact = total + step
  if (Number.isInteger(exact) || Math.abs(exact) > 4e6) return exact
  return Math.round(exact * 1e9) / 1e9
}
