/** What systemd is told of the service: sd_notify(3), its protocol of lines in a datagram. Without systemd every call does
 *  nothing; one that is not delivered is counted, and the next one tries again. */
import { type Datagram, openDatagram } from './datagram.ts'

export interface Notifier {
  /** Who is not fed for so long is killed and started again; undefined: nobody looks. */
  readonly watchdogMs: number | undefined
  /** Messages that nobody took. */
  readonly lost: number
  ready(): void
  /** Until `ready`: another configuration is being put into force. */
  reloading(): void
  stopping(): void
  /** One line for `systemctl status`. */
  status(text: string): void
  watchdog(): void
  /** So much more time to start or to stop, from now on. */
  extendTimeout(ms: number): void
}

/** `status` of systemctl is one line; what is longer is for the journal. */
const LONGEST_STATUS = 500

/** `env`: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, as systemd sets them. */
export function notifier(env: Readonly<Record<string, string | undefined>>): Notifier {
  const path = env.NOTIFY_SOCKET
  let socket: Datagram | undefined
  let lost = 0
  // Without READY=1 a start ends as a failure: a state that was not taken goes with the next message.
  let owed: readonly string[] = []
  const tell = (...lines: readonly string[]): boolean => {
    if (path === undefined || path === '') return true
    try {
      socket ??= openDatagram(path)
      socket.send(Buffer.from([...owed, ...lines].join('\n')))
      owed = []
      return true
    } catch {
      lost++
      return false
    }
  }
  const state = (...lines: readonly string[]): void => {
    owed = []
    if (!tell(...lines)) owed = lines
  }
  return {
    watchdogMs: path === undefined || path === '' ? undefined : watchdogMs(env),
    get lost() {
      return lost
    },
    ready: () => state('READY=1'),
    // Type=notify-reload compares it with when it sent the signal: CLOCK_MONOTONIC in microseconds.
    reloading: () => state('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: () => state('STOPPING=1'),
    status: (text) => void tell(`STATUS=${text.replace(/\s+/g, ' ').slice(0, LONGEST_STATUS)}`),
    watchdog: () => void tell('WATCHDOG=1'),
    extendTimeout: (ms) => void tell(`EXTEND_TIMEOUT_USEC=${Math.round(ms * 1000)}`),
  }
}

/** sd_watchdog_enabled(3): the variables may be a parent's and meant for it. */
function watchdogMs({ WATCHDOG_USEC: usec, WATCHDOG_PID: pid }: Readonly<Record<string, string | undefined>>) {
  if (usec === undefined || !/^[1-9]\d*$/.test(usec)) return undefined
  return pid === undefined || pid === String(process.pid) ? Number(usec) / 1000 : undefined
}
