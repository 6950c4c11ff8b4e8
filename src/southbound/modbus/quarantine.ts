/** Who may still answer a request that was given up. On RTU an answer names only unit and function: as long as an old one
 *  can arrive, the same question must not be asked again, while other units are free to be asked. */

export class Quarantine {
  readonly #byUnit: boolean
  readonly #until = new Map<number, number>()

  /** `byUnit` false: answers of any unit are accepted, so any unit's late answer is a danger to all. */
  constructor(options: { byUnit: boolean }) {
    this.#byUnit = options.byUnit
  }

  #key(unit: number, functionCode: number): number {
    return ((this.#byUnit ? unit : 0) << 8) | (functionCode & 0x7f)
  }

  impose(unit: number, functionCode: number, until: number): void {
    const key = this.#key(unit, functionCode)
    this.#until.set(key, Math.max(until, this.#until.get(key) ?? 0))
  }

  /** The late answer has come: nothing stands out any more. False: none was waited for. */
  lift(unit: number, functionCode: number): boolean {
    return this.#until.delete(this.#key(unit, functionCode))
  }

  /** Monotonic time from which this may be asked; 0: at once. */
  end(unit: number, functionCode: number, now: number): number {
    const key = this.#key(unit, functionCode)
    const until = this.#until.get(key)
    if (until === undefined) return 0
    if (until > now) return until
    this.#until.delete(key)
    return 0
  }
}
