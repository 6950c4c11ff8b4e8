/** The link that a connection's settings ask for. */
import type { Board } from '../../../hal/contract.ts'
import type { Clock } from '../../contracts/clock.ts'
import type { Link } from './exchange.ts'
import { Listening } from './listening.ts'
import { RtuLine } from './rtu-line.ts'
import type { ConnectionSettings } from './settings.ts'
import type { Tally } from './tally.ts'
import { TcpLink } from './tcp-link.ts'
import { TcpPort } from './tcp-port.ts'
import { Trace } from './trace.ts'

/** What a socket is opened with: the converter at its end knows the line. */
const NO_LINE = { baudRate: 9600, dataBits: 8, parity: 'none', stopBits: 1 } as const

export function openLink(options: {
  settings: ConnectionSettings
  clock: Clock
  board: Board
  tally: Tally
  random: () => number
  trace?: Trace
}): Link {
  const { settings, clock, board, tally, random, trace = new Trace() } = options
  if (settings.kind === 'tcp') return new TcpLink({ settings, clock, tally, random, trace })
  const overTcp = settings.kind === 'rtu-over-tcp'
  const port = overTcp ? new TcpPort({ host: settings.host, port: settings.port, clock }) : board.serial(settings.port)
  const { connect, pauseMs, pauseAfterConnectMs, checkUnit } = settings
  const line = overTcp ? NO_LINE : settings
  if (!overTcp && settings.mode === 'listen') {
    return new Listening({ port, line: settings, clock, tally, trace, random })
  }
  return new RtuLine({
    port,
    line,
    overTcp,
    connect,
    pauseMs,
    pauseAfterConnectMs,
    checkUnit,
    quietMs: !overTcp && settings.masters === 'shared' ? settings.quietMs : null,
    clock,
    tally,
    random,
    trace,
  })
}
