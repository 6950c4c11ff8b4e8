/** Sends by way of a thread of its own, which switches the transmitter of the port. */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { unavailable } from '../../fault.ts'
import type { ThreadAnswer, ThreadSettings } from './sending-thread.ts'

export class Direction {
  readonly #where: string
  readonly #thread: Worker
  #waiting: { readonly resolve: () => void; readonly reject: (why: Error) => void } | undefined
  #ended: Error | undefined

  private constructor(where: string, thread: Worker) {
    this.#where = where
    this.#thread = thread
    thread.on('message', (answer: ThreadAnswer) => {
      const waiting = this.#waiting
      this.#waiting = undefined
      if ('fault' in answer) waiting?.reject(this.#fault(answer.fault))
      else waiting?.resolve()
    })
    thread.on('error', (error) => this.#end(this.#fault((error as Error).message)))
    thread.on('exit', () => this.#end(this.#fault('its sending thread has ended')))
  }

  /** Throws Retryable. The transmitter is off from here on, but for the time of a frame. `where`: for people. */
  static async open({ where, ...settings }: ThreadSettings & { where: string }): Promise<Direction> {
    const thread = new Worker(new URL(`./sending-thread${extname(import.meta.url)}`, import.meta.url), {
      name: 'rs485',
      workerData: settings satisfies ThreadSettings,
      // It holds nothing but a frame.
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
    })
    const direction = new Direction(where, thread)
    await direction.#answered()
    return direction
  }

  /** Resolves when the frame has left and the transmitter is off. One at a time. */
  send(frame: Uint8Array): Promise<void> {
    const answered = this.#answered()
    this.#thread.postMessage(frame)
    return answered
  }

  /** A frame under way is sent to its end. */
  async close(): Promise<void> {
    if (this.#ended !== undefined) return
    const ended = new Promise((resolve) => this.#thread.once('exit', resolve))
    this.#thread.postMessage(null)
    await ended
  }

  #answered(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) reject(this.#ended)
      else this.#waiting = { resolve, reject }
    })
  }

  #end(error: Error): void {
    this.#ended ??= error
    this.#waiting?.reject(this.#ended)
    this.#waiting = undefined
  }

  #fault(why: string): Error {
    return unavailable(`${this.#where} cannot send: ${why}`)
  }
}
