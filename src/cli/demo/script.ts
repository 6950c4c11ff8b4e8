/** What happens by itself: where nobody is there to press keys, and the device that is sometimes dead. */

export interface Scene {
  /** Milliseconds after the start. */
  readonly atMs: number
  readonly act: 'kill' | 'revive' | 'pull' | 'plug'
}

/** One dead device and one pulled cable, apart and overlapping, and time to drain before the end. */
export function proof(totalMs: number): readonly Scene[] {
  const at = (share: number): number => Math.round(totalMs * share)
  return [
    { atMs: at(0.2), act: 'kill' },
    { atMs: at(0.35), act: 'pull' },
    { atMs: at(0.5), act: 'revive' },
    { atMs: at(0.65), act: 'plug' },
  ]
}

/** The conveyor's moods when nobody is in charge: twelve seconds dead out of eighty. */
export function moods(elapsedMs: number): 'kill' | 'revive' {
  const within = elapsedMs % 80_000
  return within >= 40_000 && within < 52_000 ? 'kill' : 'revive'
}
