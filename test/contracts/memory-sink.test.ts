/** The suite that every sink passes, shown on the simplest one: a far side that is a list. */

import { setTimeout as pause } from 'node:timers/promises'
import { Retryable } from '../../src/contracts/errors.ts'
import type { Entry } from '../../src/contracts/log.ts'
import type { Rejection, Sink } from '../../src/contracts/sink.ts'
import { type SinkBench, sinkSuite } from './sink-suite.ts'

const AWAY = new Retryable('the list is away', { reason: 11 })

class ListSink implements Sink {
  readonly name = 'list'
  readonly delivery = 'stored'
  readonly arrived: number[] = []
  readonly refused = new Set<number>()
  up = true
  held = false
  #stopped = false
  readonly #moved = new Set<() => void>()

  async start(): Promise<void> {}

  async stop(): Promise<void> {
    this.#stopped = true
    this.move()
  }

  state() {
    return this.up ? ({ condition: 'fine', text: 'there' } as const) : ({ condition: 'fault', text: 'away' } as const)
  }

  counters() {
    return {}
  }

  move(): void {
    for (const wake of [...this.#moved]) wake()
  }

  async ready(signal: AbortSignal): Promise<void> {
    while (!this.up) await this.#turn(signal)
  }

  async deliver(entries: readonly Entry[], _how: object, signal: AbortSignal) {
    const rejected: Rejection[] = []
    for (const [at, { position }] of entries.entries()) {
      // Slow enough that the far side can go down in the middle, whoever else has the processor.
      if (at % 100 === 0) await pause(1)
      while (this.held && !this.#stopped) await this.#turn(signal)
      if (this.#stopped || !this.up) throw AWAY
      if (this.refused.has(position.seq)) rejected.push({ position, why: 'not this one' })
      else this.arrived.push(position.seq)
    }
    return { rejected }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const over = (): void => {
        signal.removeEventListener('abort', over)
        this.#moved.delete(over)
        if (signal.aborted) reject(signal.reason)
        else resolve()
      }
      signal.addEventListener('abort', over)
      this.#moved.add(over)
    })
  }
}

sinkSuite('a sink into a list', {
  async make({ clock, down }): Promise<SinkBench> {
    const sink = new ListSink()
    sink.up = !down
    const set = (change: { up?: boolean; held?: boolean }): void => {
      Object.assign(sink, change)
      sink.move()
    }
    return {
      sink,
      entry(number, refused = false) {
        if (refused) sink.refused.add(number)
        const position = { epoch: 1, seq: number }
        return { kind: 'event', position, at: clock.now(), name: 'test', text: '', facts: {} }
      },
      arrived: () => sink.arrived,
      down: async () => set({ up: false }),
      up: async () => set({ up: true }),
      hold: () => set({ held: true }),
      letGo: () => set({ held: false }),
      dispose: async () => {},
    }
  },
})
