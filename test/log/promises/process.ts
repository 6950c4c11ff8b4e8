/** A process with one end of the log, or with both, as a test sees it. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Commands } from './half.ts'
import type { Answer, Delivery, Told } from './messages.ts'

export interface Hearing {
  outcomes(outcomes: NonNullable<Told['outcomes']>): void
  /** Answers when it likes; throws what the sink is to throw. */
  deliver(delivery: Delivery): Promise<Omit<Answer, 'answer'>>
  ready(delivery: Delivery): Promise<void>
}

const HALF = new URL('half.ts', import.meta.url).pathname
const WATCHING = new URL('watching.ts', import.meta.url).href
export interface User {
  readonly uid: number
  readonly gid: number
}

/** Processes that have nothing open: starting one takes longer than most tests. */
const idle: { readonly child: ChildProcess; readonly user: User | undefined }[] = []

export function endIdle(): void {
  for (const { child } of idle.splice(0)) child.kill()
}

export class Half {
  readonly #child: ChildProcess
  readonly #user: User | undefined
  readonly #asked = new Map<number, PromiseWithResolvers<unknown>>()
  #next = 1
  #gone = false

  /** `user`: whose process it is; undefined: ours. */
  constructor(hearing: Hearing, user: User | undefined) {
    this.#user = user
    const at = idle.findIndex((one) => one.user === user)
    this.#child =
      idle.splice(at, at < 0 ? 0 : 1)[0]?.child ??
      fork(HALF, { serialization: 'advanced', stdio: 'inherit', execArgv: ['--import', WATCHING], ...user })
    this.#child.on('message', (told: Told) => void this.#hear(told, hearing))
    this.#child.on('exit', () => this.#ended())
  }

  ask<C extends keyof Commands>(command: C, argument: Parameters<Commands[C]>[0]): Promise<unknown> {
    const id = this.#next++
    const asked = Promise.withResolvers<unknown>()
    if (this.#gone) asked.reject(new Error(`the process is gone: ${command}`))
    this.#asked.set(id, asked)
    this.#child.send({ id, command, argument })
    return asked.promise
  }

  /** With SIGKILL, at once. */
  async kill(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }

  /** Closes what is open in it. */
  async release(): Promise<void> {
    if (this.#gone) return
    await this.ask('close', undefined as never)
    this.#gone = true
    this.#child.removeAllListeners()
    idle.push({ child: this.#child, user: this.#user })
  }

  async #hear(told: Told, hearing: Hearing): Promise<void> {
    if (told.outcomes !== undefined) return hearing.outcomes(told.outcomes)
    if (told.ready !== undefined) {
      await hearing.ready(told.ready)
      return this.#answer({ answer: told.ready.call })
    }
    if (told.deliver !== undefined) {
      return this.#answer({ answer: told.deliver.call, ...(await hearing.deliver(told.deliver)) })
    }
    const asked = this.#asked.get(told.id!)
    this.#asked.delete(told.id!)
    if (told.fault === undefined) asked?.resolve(told.result)
    else asked?.reject(Object.assign(new Error(told.fault.message), { name: told.fault.name }))
  }

  #answer(answer: Answer): void {
    if (!this.#gone && this.#child.connected) this.#child.send(answer)
  }

  #ended(): void {
    this.#gone = true
    for (const { reject } of this.#asked.values()) reject(new Error('the process ended'))
    this.#asked.clear()
  }
}
