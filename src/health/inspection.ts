/** What is looked at again and again beside the gateway: the machine, the parts of its board, and the certificates. */
import type { Board, Machine, PartReport } from '../../hal/contract.ts'
import type { Clock, Stop } from '../contracts/clock.ts'
import type { Logger } from '../contracts/component.ts'
import { sentence } from '../contracts/errors.ts'
import { type HealthLedger, type Line, unwatched } from '../contracts/health.ts'
import type { CertificateFacts } from './language/facts.ts'

const MACHINE_MS = 10_000
/** The board is described, and certificates are read, this often. */
const BOARD_MS = 60_000
/** What is missing right after the start is looked at again after this: a driver that loads late is no fault. */
const SECOND_LOOK_MS = 10_000
/** Files of the kernel, and certificates on the disk: as long as a disk may take that repeats a command for minutes. */
const ALLOWANCE_MS = 180_000

export interface InspectionOptions {
  readonly board: Pick<Board, 'describe'>
  readonly clock: Clock
  readonly log: Logger
  readonly machine: () => Promise<Machine>
  readonly certificates: () => Promise<readonly CertificateFacts[]>
  readonly health?: HealthLedger
}

export class Inspection {
  readonly #options: InspectionOptions
  readonly #stops: Stop[] = []
  #lines: { readonly machine: Line; readonly board: Line } | undefined
  #machine: Machine | undefined
  #parts: readonly PartReport[] = []
  #certificates: readonly CertificateFacts[] = []

  constructor(options: InspectionOptions) {
    this.#options = options
  }

  start(): void {
    const { clock, health = unwatched } = this.#options
    const machine = health.enrol({ name: 'machine', allowanceMs: ALLOWANCE_MS })
    machine.report({ condition: 'fine', text: 'is looked at each ten seconds' })
    const board = health.enrol({ name: 'board', allowanceMs: ALLOWANCE_MS })
    board.report({ condition: 'fine', text: 'is looked at each minute, and certificates with it' })
    for (const line of [machine, board]) line.idle()
    this.#lines = { machine, board }
    this.#stops.push(
      clock.every(MACHINE_MS, () => void this.#lookAtMachine()),
      clock.every(BOARD_MS, () => void this.#lookAtBoard('later')),
      clock.after(SECOND_LOOK_MS, () => void this.#lookAtBoard('later')),
    )
    void this.#lookAtMachine().then(() => this.#lookAtBoard('first'))
  }

  stop(): void {
    for (const stop of this.#stops.splice(0)) stop()
    this.#lines?.machine.leave()
    this.#lines?.board.leave()
  }

  /** What was found last. `parts`: those that are not as they should be. */
  facts() {
    return {
      ...(this.#machine === undefined ? {} : { machine: this.#machine }),
      parts: this.#parts,
      certificates: this.#certificates,
    }
  }

  async #lookAtMachine(): Promise<void> {
    this.#lines?.machine.begin()
    this.#machine = await this.#options.machine().catch((thrown) => {
      this.#options.log.debug(sentence(thrown))
      return this.#machine
    })
    this.#lines?.machine.idle()
  }

  async #lookAtBoard(which: 'first' | 'later'): Promise<void> {
    const { board, log, certificates } = this.#options
    this.#lines?.board.begin()
    try {
      const before = new Set(this.#parts.map(({ text }) => text))
      const { parts } = await board.describe()
      this.#parts = parts.filter(({ state }) => state !== 'found' && (state !== 'missing' || which === 'later'))
      for (const { part, name, text } of this.#parts) if (!before.has(text)) log.warn(`board, ${part} ${name}: ${text}`)
      this.#certificates = await certificates()
    } catch (thrown) {
      log.debug(sentence(thrown))
    }
    this.#lines?.board.idle()
  }
}
