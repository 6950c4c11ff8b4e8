/** Loads a configuration in a process of its own: what the parser and the schemas take in memory goes with it. */
import { type ChildProcess, fork } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Loaded } from '../../config/load.ts'
import { Fatal } from '../../contracts/errors.ts'

export interface LoadRequest {
  readonly file: string
  /** Text to read in place of the file's, which then only lends its folder and its name. */
  readonly text?: string
}

/** The process, started at once, so that it is awake when it is known what to load. To be ended, or used with `using`. */
export class Loader implements Disposable {
  readonly #child: ChildProcess
  /** Fulfilled with what became of it, never rejected. */
  readonly #gone: Promise<Fatal>

  constructor() {
    this.#child = fork(fileURLToPath(new URL(`./loading-process${extname(import.meta.url)}`, import.meta.url)), [], {
      // Structured clones: a configuration has maps, bigints and objects that tags share.
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#gone = new Promise((resolve) => {
      this.#child.on('error', (cause) =>
        resolve(new Fatal(`the configuration could not be loaded: ${cause}`, { cause })),
      )
      this.#child.once('exit', (code) => resolve(new Fatal(`loading the configuration ended with ${code}`)))
    })
  }

  /** One after the other. Throws Fatal when the process fails. */
  async load(request: LoadRequest): Promise<Loaded> {
    const answer = new Promise<Loaded>((resolve) => this.#child.once('message', (loaded) => resolve(loaded as Loaded)))
    // What keeps it from being sent is heard as the child's end.
    if (this.#child.connected) this.#child.send(request, () => undefined)
    const outcome = await Promise.race([answer, this.#gone])
    if (outcome instanceof Fatal) throw outcome
    return interned(outcome)
  }

  [Symbol.dispose](): void {
    if (this.#child.connected) this.#child.disconnect()
  }
}

export async function loadApart(request: LoadRequest): Promise<Loaded> {
  using loader = new Loader()
  return await loader.load(request)
}

/** The clone has a string of its own for each `uint16` there is; one for all of them will do. In place: nobody has seen it yet. */
function interned(loaded: Loaded): Loaded {
  const strings = new Map<string, string>()
  const seen = new Set<object>()
  const one = (text: string): string => {
    const known = strings.get(text)
    if (known === undefined) strings.set(text, text)
    return known ?? text
  }
  const visit = (holder: object): void => {
    if (seen.has(holder) || ArrayBuffer.isView(holder) || holder instanceof Map) return
    seen.add(holder)
    for (const [key, value] of Object.entries(holder)) {
      if (typeof value === 'string') (holder as Record<string, unknown>)[key] = one(value)
      else if (typeof value === 'object' && value !== null) visit(value)
    }
  }
  if (loaded.ok) visit(loaded.configuration.groups)
  return loaded
}
