/** How a running half takes another configuration. `prepare` checks it and opens nothing; `decide` renames it into place as the
 *  active one, which is what everybody goes by; `settle` puts it into force if it is the active one, and drops it if it is not.
 *  Whoever applies prepares all halves, decides at one of them, and settles each. Where nobody settles, the half does in time. */
import { randomUUID } from 'node:crypto'
import { type Method, textFrom } from '../../commands/socket.ts'
import type { Configuration } from '../../config/configuration.ts'
import { type Change, diff } from '../../config/diff.ts'
import { keepIdentity } from '../../config/identity.ts'
import type { Problem } from '../../config/problems.ts'
import type { Clock, Stop } from '../../contracts/clock.ts'
import type { Logger } from '../../contracts/component.ts'
import { ConfigurationFault, Rejected, sentence } from '../../contracts/errors.ts'
import { activeRevision, keep } from './active.ts'
import { loadApart } from './loading.ts'

/** What `plan` answers. */
export type Outcome =
  | { readonly ok: true; readonly revision: string; readonly changes: readonly Change[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/** What `prepare` answers; `hold` names what is held from then on. */
export type Prepared = (Outcome & { readonly ok: true; readonly hold: string }) | (Outcome & { readonly ok: false })

/** A configuration that nobody decides on is held for so long. */
const HELD_MS = 60_000

type Loaded = Extract<Awaited<ReturnType<typeof loadApart>>, { readonly ok: true }>

interface Held {
  readonly hold: string
  /** undefined: still being checked. */
  loaded: Loaded | undefined
  lapse: Stop
  deciding: Promise<void> | undefined
  settling: Promise<void> | undefined
}

export interface ApplyingOptions {
  readonly clock: Clock
  readonly log: Logger
  /** The service's own file. */
  readonly file: string
  /** Tells the halves' files apart while they are written. */
  readonly side: string
  readonly inForce: () => Configuration
  /** The changes with what each would cost. */
  readonly consequences: (changes: readonly Change[]) => readonly Change[]
  readonly reload: (after: Configuration) => Promise<void>
  readonly applied: (notices: readonly string[]) => Promise<void>
}

export class Applying {
  readonly #options: ApplyingOptions
  #held: Held | undefined

  constructor(options: ApplyingOptions) {
    this.#options = options
  }

  async plan(file: string): Promise<Outcome> {
    return (await this.#checked(file)).outcome
  }

  /** What `control.sock` takes. */
  methods(): Readonly<Record<string, Method>> {
    return {
      prepare: (given, { signal }) => this.#prepare(textFrom(given, 'file'), signal),
      decide: async (given) => this.#decide(textFrom(given, 'hold')),
      settle: async (given) => ({ revision: await this.#settled(textFrom(given, 'hold')) }),
      abandon: async (given) => this.#abandon(textFrom(given, 'hold')),
    }
  }

  /** The service's own file, as `apply` does it. Throws Rejected while another one is being applied. */
  async again(): Promise<Outcome> {
    const prepared = await this.#prepare(this.#options.file, new AbortController().signal)
    if (!prepared.ok) return prepared
    await this.#decide(prepared.hold)
    await this.#settled(prepared.hold)
    return prepared
  }

  /** Nothing is held any more. */
  stop(): void {
    this.#held?.lapse()
    this.#held = undefined
  }

  async #checked(file: string): Promise<{ readonly loaded: Loaded | undefined; readonly outcome: Outcome }> {
    const loaded = await loadApart({ file })
    if (!loaded.ok) return { loaded: undefined, outcome: loaded }
    const changes = this.#options.consequences(diff(this.#options.inForce(), loaded.configuration))
    return { loaded, outcome: { ok: true, revision: loaded.configuration.source.sha256, changes } }
  }

  /** `caller` is aborted when whoever asked has left. */
  async #prepare(file: string, caller: AbortSignal): Promise<Prepared> {
    // One at a time: two people at two consoles must not build half of each.
    if (this.#held !== undefined) {
      throw new Rejected('another configuration is being applied at this moment: try again when that is done')
    }
    const held: Held = {
      hold: randomUUID(),
      loaded: undefined,
      lapse: () => {},
      deciding: undefined,
      settling: undefined,
    }
    this.#held = held
    try {
      const { loaded, outcome } = await this.#checked(file)
      if (loaded === undefined || !outcome.ok) {
        this.#drop(held)
        return outcome as Outcome & { ok: false }
      }
      if (loaded.configuration.log.path !== this.#options.inForce().log.path) {
        throw new ConfigurationFault('log.path cannot change while the service runs: restart it with this file')
      }
      caller.throwIfAborted()
      held.loaded = loaded
      held.lapse = this.#options.clock.after(HELD_MS, () => this.#lapsed(held))
      return { ...outcome, hold: held.hold }
    } catch (thrown) {
      this.#drop(held)
      throw thrown
    }
  }

  async #decide(hold: string): Promise<void> {
    const held = this.#held
    if (held?.hold !== hold || held.loaded === undefined || held.settling !== undefined) {
      throw new Rejected('what was checked is not held any more: apply it again')
    }
    const { file, side } = this.#options
    held.deciding = keep({ configuration: held.loaded.configuration, file, side })
    await held.deciding
  }

  /** The revision that is in force when it is settled. */
  async #settled(hold: string): Promise<string> {
    const held = this.#held
    if (held?.hold === hold && held.loaded !== undefined) {
      held.settling ??= this.#settle(held, held.loaded)
      await held.settling
    }
    return this.#options.inForce().source.sha256
  }

  async #settle(held: Held, { configuration, notices }: Loaded): Promise<void> {
    const { inForce, reload, applied, log } = this.#options
    held.lapse()
    try {
      await held.deciding?.catch(() => undefined)
      const revision = configuration.source.sha256
      if ((await activeRevision(inForce().log.path)) !== revision) return
      await reload(keepIdentity(inForce(), configuration))
      await applied(notices)
      log.info('configuration applied', { revision, file: configuration.source.file })
    } finally {
      this.#drop(held)
    }
  }

  #abandon(hold: string): void {
    const held = this.#held
    if (held?.hold === hold && held.settling === undefined) this.#drop(held)
  }

  #lapsed(held: Held): void {
    if (held.settling !== undefined || held.loaded === undefined) return
    held.settling = this.#settle(held, held.loaded)
    held.settling.catch((thrown) => this.#options.log.error(`a configuration cannot be applied: ${sentence(thrown)}`))
  }

  #drop(held: Held): void {
    held.lapse()
    if (this.#held === held) this.#held = undefined
  }
}
