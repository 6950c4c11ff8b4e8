/** Where the console is reached over HTTP: on loopback unless it is stated otherwise, and not at all where the gateway is one-way. */
import { isIP } from 'node:net'
import type { z } from 'zod'
import type { Check } from './check.ts'
import type { ConsoleConfiguration } from './configuration.ts'
import { USUAL } from './listen.ts'
import * as shapes from './shapes.ts'

export function readConsole(
  check: Check,
  given: unknown,
  oneWay: boolean,
): ConsoleConfiguration & { readonly notices: readonly string[] } {
  const { listen } = (check.object(shapes.consoleShape, given, ['console']) ?? {}) as z.output<
    typeof shapes.consoleShape
  >
  if (listen === undefined) return { listen: oneWay ? null : USUAL, notices: [] }
  if (listen === null) return { listen, notices: [] }
  const notices: string[] = []
  if (!isLoopback(listen.host)) {
    notices.push(
      'console.listen: whoever reaches this address sees devices, counters and states without a password; 127.0.0.1 keeps it to this box',
    )
  }
  if (oneWay) {
    notices.push('console.listen: the gateway is one-way, and this opens a port on it; leave it out to have none')
  }
  return { listen, notices }
}

/** Only programs of this box reach it. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}
