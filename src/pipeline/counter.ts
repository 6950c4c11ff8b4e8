/** A rolling counter becomes a total that survives wrap-arounds, resets and restarts. Pure. */

export interface CounterState {
  readonly total: number
  readonly raw: number
}

export interface CounterStep extends CounterState {
  /** The counter did not go on from where it was. */
  readonly reset: boolean
}

/** `wrap`: the count at which it starts again at 0. `maxStep`: a larger step is no counting. Raw units. */
export function count(
  before: CounterState | undefined,
  raw: number,
  { wrap, maxStep }: { readonly wrap: number | null; readonly maxStep: number | null },
): CounterStep {
  if (before === undefined) return { total: raw, raw, reset: false }
  const plausible = (step: number): boolean => maxStep === null || step <= maxStep
  const step = raw - before.raw
  if (step >= 0 && plausible(step)) return { total: before.total + step, raw, reset: false }
  if (step < 0 && wrap !== null && plausible(step + wrap) && step + wrap >= 0) {
    return { total: before.total + step + wrap, raw, reset: false }
  }
  // It was set anew. What it shows was counted since then, if it can be; a jump upwards was never counted.
  const since = step < 0 && plausible(raw) ? raw : 0
  return { total: before.total + since, raw, reset: true }
}
