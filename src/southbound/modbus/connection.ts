/** What the schema parsed of a connection, in the terms the driver works with. */
import type { ParsedConnection } from './schema.ts'
import type { ConnectionSettings } from './settings.ts'

/** The three kinds tell themselves apart: only a line has a baud rate, only TCP carries several requests at once. */
export function connectionSettings(parsed: ParsedConnection): ConnectionSettings {
  const { order, digits, retries, maxRegisters, maxBits, maxGap, connect } = parsed
  const common = {
    order,
    digits,
    timeoutMs: parsed.timeout,
    retries,
    maxRegisters,
    maxBits,
    maxGap,
    pauseMs: parsed.pause,
    pauseAfterConnectMs: parsed.pauseAfterConnect,
    connect,
  }
  if ('baudRate' in parsed) {
    const { port, baudRate, dataBits, parity, stopBits } = parsed
    return { kind: 'rtu', ...common, checkUnit: true, port, baudRate, dataBits, parity, stopBits }
  }
  const { host, port, checkUnit, inFlight } = parsed
  if (inFlight === undefined) return { kind: 'rtu-over-tcp', ...common, checkUnit, host, port }
  return { kind: 'tcp', ...common, checkUnit, host, port, inFlight }
}
