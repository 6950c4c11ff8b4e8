/** The journal hears when a light goes to another state, and what "status" said then. */
import type { Clock } from '../contracts/clock.ts'
import type { Logger } from '../contracts/component.ts'
import type { Light } from '../contracts/report.ts'

/** A light that changes to and fro is told of so often at most. */
const AGAIN_MS = 10_000
const LEVELS = { red: 'error', amber: 'warn', green: 'info', off: 'info' } as const

export class LightJournal {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #told = new Map<Light['role'], { readonly id: string; readonly at: number; readonly isFine: boolean }>()

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Logger }) {
    this.#clock = clock
    this.#log = log
  }

  /** To be called each second. That all is fine is news only after something was not. */
  look(lights: readonly Light[]): void {
    const at = this.#clock.monotonic()
    for (const { role, id, colour, text } of lights) {
      const last = this.#told.get(role)
      if (last?.id === id || (last !== undefined && at - last.at < AGAIN_MS)) continue
      const level = LEVELS[colour]
      const isFine = level === 'info'
      // Whoever missed a part has named it; only what it puts an end to is told.
      if (id === 'sys.board' && last?.isFine !== false) continue
      this.#told.set(role, { id, at: last === undefined ? Number.NEGATIVE_INFINITY : at, isFine })
      if (last === undefined && isFine) continue
      this.#log[level](`${role}: ${text}`, { event: 'light', role, light: id, colour })
    }
  }
}
