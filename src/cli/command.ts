/** What every command is given and gives back. A command module exports `command`; `program.ts` loads only the one that is used. */
import type { Clock } from '../contracts/clock.ts'

/** Exit status of the process, as the command line reference promises it. */
export const Exit = {
  done: 0,
  failed: 1,
  usage: 2,
  /** The configuration is invalid. */
  configuration: 3,
  /** Nothing answered: no gateway, no device. */
  noAnswer: 4,
} as const
export type Exit = (typeof Exit)[keyof typeof Exit]

/** Where a command writes. Results go to stdout, everything said beside them to stderr. */
export interface Screen {
  /** One or more lines on stdout; with `--json` use `document`. */
  print(text: string): void
  /** Without a line end, as it stands: control sequences and prompts. */
  raw(text: string): void
  /** The one JSON document of `--json`; with `--follow`, one a line. Bigints are written as their digits, bytes as `{base64}`. */
  document(value: unknown): void
  /** One or more lines on stderr. */
  complain(text: string): void
  readonly isTerminal: boolean
  readonly colour: boolean
  readonly unicode: boolean
  readonly columns: number
  readonly rows: number
}

export interface Invocation {
  /** Absolute path of the configuration file; whether it exists is the command's matter. */
  readonly file: string
  readonly json: boolean
  /** What stands after the command's name, options taken out. */
  readonly words: readonly string[]
  /** The command's own options by long name without dashes, in camel case. */
  readonly options: Readonly<Record<string, string | boolean | undefined>>
  readonly screen: Screen
  readonly clock: Clock
  /** Aborted by the first SIGINT or SIGTERM; the second ends the process at once. */
  readonly signal: AbortSignal
}

/** Resolves to the exit status. What it throws becomes a sentence on stderr and a status by the error's class. */
export type Command = (invocation: Invocation) => Promise<Exit>
