/** The link that a connection's settings ask for. */
import type { Ports, SerialPort } from '../../../hal/contract.ts'
import type { Clock } from '../../contracts/clock.ts'
import { Trace } from './diagnosis/trace.ts'
import type { Link } from './exchange.ts'
import { AsciiPort } from './line/ascii-port.ts'
import { Listening } from './line/listening.ts'
import { RtuLine } from './line/rtu-line.ts'
import { DialInPort } from './network/dial-in-port.ts'
import { Hosts } from './network/hosts.ts'
import { TcpLink } from './network/tcp-link.ts'
import { TcpPort } from './network/tcp-port.ts'
import type { ConnectionSettings, RtuOverTcpSettings, RtuSettings } from './settings.ts'
import type { Tally } from './tally.ts'

/** What a socket is opened with: the converter at its end knows the line. */
const NO_LINE = { baudRate: 9600, dataBits: 8, parity: 'none', stopBits: 1 } as const

export function openLink(options: {
  settings: ConnectionSettings
  clock: Clock
  board: Ports
  tally: Tally
  random: () => number
  trace?: Trace
}): Link {
  const { settings, clock, board, tally, random, trace = new Trace() } = options
  if (settings.kind === 'tcp') return new TcpLink({ settings, clock, tally, random, trace })
  const overTcp = settings.kind === 'rtu-over-tcp'
  const port = overTcp ? remotePort(settings, clock, tally) : serialPort(settings, board)
  const { connect, pauseMs, pauseAfterConnectMs, checkUnit } = settings
  const line = overTcp ? NO_LINE : settings
  if (!overTcp && settings.mode === 'listen') {
    return new Listening({ port, line: settings, clock, tally, trace, random })
  }
  return new RtuLine({
    port,
    line,
    overTcp,
    framing: overTcp ? 'rtu' : settings.framing,
    connect,
    pauseMs,
    pauseAfterConnectMs,
    checkUnit,
    end: port instanceof DialInPort ? () => port.end() : undefined,
    quietMs: !overTcp && settings.masters === 'shared' ? settings.quietMs : null,
    clock,
    tally,
    random,
    trace,
  })
}

function serialPort({ port, framing }: RtuSettings, board: Ports): SerialPort {
  const serial = board.serial(port)
  return framing === 'ascii' ? new AsciiPort(serial) : serial
}

function remotePort(settings: RtuOverTcpSettings, clock: Clock, tally: Tally): SerialPort {
  const { listen: address } = settings
  return address === undefined
    ? new TcpPort({ hosts: new Hosts(settings), clock })
    : new DialInPort({ address, clock, tally })
}
