/** The box that the configuration names: its board, with lamps, button and machine. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Board } from '../../../hal/contract.ts'
import { readMachine } from '../../../hal/linux/machine.ts'
import { Box } from '../../box.ts'
import type { Configuration } from '../../config/configuration.ts'
import type { Clock } from '../../contracts/clock.ts'
import type { Logger } from '../../contracts/component.ts'
import type { HealthLedger } from '../../contracts/health.ts'
import type { GatewayReport } from '../../contracts/report.ts'
import { type CertificateSource, certificates } from '../../health/certificates.ts'
import { has } from './given.ts'
import { runHook } from './hook.ts'
import type { Methods } from './surfaces.ts'

export function openBox(options: {
  readonly board: Board
  readonly clock: Clock
  readonly log: Logger
  readonly ledger: HealthLedger
  /** As it is in force. */
  readonly configuration: () => Configuration
  /** Where the sockets of the halves have their folders. */
  readonly run: string
}): Box {
  const { board, clock, log, ledger, configuration, run } = options
  const { board: description } = configuration()
  return new Box({
    board,
    clock,
    log,
    health: ledger,
    // All that is written stands with the log. Other folders may be read-only on purpose.
    machine: () => readMachine({ paths: [configuration().log.path] }),
    certificates: () => certificates(sourcesIn(configuration()), clock.wall()),
    button: { reset: description.button?.reset === 'allowed' },
    act: (gesture) => runHook(gesture),
    // Whoever updates the box leaves it there meanwhile.
    isUpdating: () => existsSync(join(run, 'updating')),
  })
}

/** With what the box counts. */
export function withBox(report: GatewayReport, box: Box): GatewayReport {
  return { ...report, counters: { ...report.counters, ...box.counters() } }
}

/** What `control.sock` takes for the lamps. */
export function lampMethods(box: Box): Methods {
  return {
    locate: async (given) => ({ text: box.locate(!has(given, 'off')) }),
    testLamps: async () => ({ text: box.testLamps() }),
  }
}

/** Our own certificates and the authorities we trust, as sinks name them in `tls`. */
function sourcesIn({ sinks }: Configuration): readonly CertificateSource[] {
  return sinks
    .filter(({ enabled }) => enabled)
    .flatMap(({ name, settings }) => {
      const { tls } = (settings ?? {}) as { readonly tls?: { readonly ca?: unknown; readonly cert?: unknown } }
      return [tls?.cert, tls?.ca].flatMap((given) => (typeof given === 'string' ? [{ of: `sink ${name}`, given }] : []))
    })
}
