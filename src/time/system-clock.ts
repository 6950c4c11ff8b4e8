/** The real clock: the one place where the process reads time and sets timers. */
import { readFileSync } from 'node:fs'
import type { Clock, ClockQuality, Instant, Stop } from '../contracts/clock.ts'
import { askKeeper } from './keeper.ts'
import { batteryAgrees, EARLIEST, savedTime } from './saved.ts'
import { Wall } from './wall.ts'

export class SystemClock implements Clock {
  readonly boot = bootId()
  readonly #wall: Wall
  askedAt?: number

  constructor() {
    const system = Date.now()
    this.#wall = new Wall({
      earliest: EARLIEST,
      saved: savedTime(),
      system,
      monotonic: this.monotonic(),
      battery: batteryAgrees(system),
    })
  }

  wall(): number {
    return this.#wall.wall(Date.now(), this.monotonic())
  }

  monotonic(): number {
    return SINCE_BOOT + performance.now()
  }

  quality(): ClockQuality {
    return this.#wall.quality(Date.now(), this.monotonic())
  }

  now(): Instant {
    const system = Date.now()
    const monotonic = this.monotonic()
    const clock = this.#wall.quality(system, monotonic)
    return { wall: this.#wall.wall(system, monotonic), monotonic, boot: this.boot, clock }
  }

  recall(stored: Instant): void {
    this.#wall.recall(stored, this.boot)
  }

  /** Asks whoever keeps the system's clock whether it is set, now and from then on. Until it resolves, and for whoever never
   *  calls it, a clock counts as set that shows no time from before the floor. */
  async follow(): Promise<Stop> {
    let asking: Promise<void> | undefined
    const ask = (): Promise<void> => {
      asking ??= askKeeper().then((known) => {
        this.#wall.known = known ?? this.#wall.known
        this.askedAt = this.monotonic()
        asking = undefined
      })
      return asking
    }
    await ask()
    return this.every(ASK_MS, () => void ask())
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const abort = (): void => {
        stop()
        reject(signal.reason)
      }
      const stop = this.after(ms, () => {
        signal.removeEventListener('abort', abort)
        resolve()
      })
      signal.addEventListener('abort', abort, { once: true })
    })
  }

  after(ms: number, run: () => void): Stop {
    // A turn for others, and no more: Node's shortest timer takes a millisecond.
    if (ms <= 0) {
      const turn = setImmediate(run)
      return () => clearImmediate(turn)
    }
    const due = this.monotonic() + ms
    let timer: NodeJS.Timeout
    const arm = (leftMs: number): void => {
      timer = setTimeout(look, Math.min(Math.ceil(leftMs), LONGEST_TIMER_MS))
    }
    // Node counts from the start of the loop's turn, in whole milliseconds, and takes waits beyond 2^31 for 1: whoever is
    // woken looks at the clock, and never runs early.
    const look = (): void => {
      const leftMs = due - this.monotonic()
      if (leftMs > 0) arm(leftMs)
      else run()
    }
    arm(ms)
    return () => clearTimeout(timer)
  }

  every(ms: number, run: () => void): Stop {
    let due = this.monotonic() + ms
    let stop: Stop
    const tick = (): void => {
      const now = this.monotonic()
      // Whole periods that were missed are skipped, the phase is kept.
      due += ms * Math.max(1, Math.floor((now - due) / ms) + 1)
      stop = this.after(due - now, tick)
      run()
    }
    stop = this.after(ms, tick)
    return () => stop()
  }
}

/** What a timer of Node's can wait at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Both clocks are the kernel's CLOCK_MONOTONIC; this makes the number count from boot, so that it compares across
 *  processes and restarts within one boot. */
const SINCE_BOOT = Number(process.hrtime.bigint()) / 1e6 - performance.now()

/** What an answer costs is a look at a file, or a small program where chrony or another keeps the clock. */
const ASK_MS = 10_000

/** The kernel's id of this boot. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return `started-${Date.now()}`
  }
}
