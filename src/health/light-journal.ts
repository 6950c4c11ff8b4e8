/** The journal hears when a light changes: what "status" says now stands there with its time. */
import type { Clock } from '../contracts/clock.ts'
import type { Logger } from '../contracts/component.ts'
import type { Light } from '../contracts/report.ts'

/** A light that changes to and fro is told of so often at most. */
const AGAIN_MS = 10_000
const LEVELS = { red: 'error', amber: 'warn', green: 'info', off: 'info' } as const

export class LightJournal {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #told = new Map<Light['role'], { readonly id: string; readonly at: number }>()

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
      this.#told.set(role, { id, at: last === undefined ? Number.NEGATIVE_INFINITY : at })
      const level = LEVELS[colour]
      // Whoever missed a part has named it.
      if ((last === undefined && level === 'info') || id === 'sys.board') continue
      this.#log[level](`${role}: ${text}`, { event: 'light', role, light: id, colour })
    }
  }
}
