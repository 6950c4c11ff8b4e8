/** What the composition starts and stops, and how it says how it is. */

export interface Component {
  readonly name: string
  /** Resolves once its resources are taken and it has begun trying; being connected is a state, not a precondition.
   *  Throws only ConfigurationFault or Fatal. */
  start(signal: AbortSignal): Promise<void>
  /** Idempotent; nothing is left in flight when it resolves. */
  stop(): Promise<void>
}

/** `waiting`: not there yet. `degraded`: works in part, data safe. `fault`: does not work, tries on. `refused`: a person is needed. */
export type Condition = 'fine' | 'waiting' | 'degraded' | 'fault' | 'refused'

/** The state of a component in words a technician understands. */
export interface State {
  readonly condition: Condition
  readonly text: string
  /** What keeps a link from being made, where a lamp can say it: the port is not there, nobody knows the name, nobody listens. */
  readonly cause?: 'port' | 'name' | 'refused'
}

/** Named counts that only rise: one name a fault, so that nothing happens silently. */
export type Counters = Readonly<Record<string, number>>

export interface Logger {
  debug(text: string, facts?: object): void
  info(text: string, facts?: object): void
  warn(text: string, facts?: object): void
  error(text: string, facts?: object): void
}
