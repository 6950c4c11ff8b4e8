/** The writing end of a log in another process, for tests of the two ends apart. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Batch } from '../../src/contracts/batch.ts'
import type { Position } from '../../src/contracts/log.ts'
import type { LogReport } from '../../src/contracts/report.ts'
import type { Place } from '../../src/log/ends.ts'
import type { FieldEndOptions } from '../../src/log/log.ts'
import type { Order } from './field-process.ts'

const ENTRY = new URL('field-process.ts', import.meta.url)

export class FieldHalf {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (why: unknown) => void }>()
  #next = 0

  private constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', (answer: { id: number; value?: unknown; thrown?: string; remedy?: string }) => {
      const waiting = this.#waiting.get(answer.id)
      this.#waiting.delete(answer.id)
      if (answer.thrown === undefined) waiting?.resolve(answer.value as never)
      else waiting?.reject(Object.assign(new Error(answer.thrown), { remedy: answer.remedy }))
    })
    child.on('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the field half is gone'))
      this.#waiting.clear()
    })
  }

  /** `ids`: under another user and group. */
  static async start(
    options: Omit<FieldEndOptions, 'clock' | 'log'>,
    ids: { readonly uid?: number; readonly gid?: number } = {},
  ): Promise<FieldHalf> {
    const child = fork(ENTRY, [], { serialization: 'advanced', ...ids })
    const half = new FieldHalf(child)
    await half.ask({ do: 'open', options })
    return half
  }

  append(batch: Batch): Promise<Position> {
    return this.ask({ do: 'append', batch })
  }

  report(): Promise<LogReport> {
    return this.ask({ do: 'report' })
  }

  places(): Promise<readonly Place[]> {
    return this.ask({ do: 'places' })
  }

  ask<T>(order: Order): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const id = ++this.#next
      this.#waiting.set(id, { resolve, reject })
      this.#child.send({ id, order }, (failed) => failed && reject(failed))
    })
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    await this.ask({ do: 'close' })
    const gone = once(this.#child, 'exit')
    this.#child.disconnect()
    await gone
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }
}
