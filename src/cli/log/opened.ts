/** The log of the gateway with this configuration file, looked at from a process of its own: whether the gateway runs or not. */
import * as catalog from '../../catalog.ts'
import type { Configuration } from '../../config/configuration.ts'
import { load } from '../../config/load.ts'
import { logPathOf } from '../../config/sockets.ts'
import type { Logger } from '../../contracts/component.ts'
import { type Archive, openArchive } from '../../log/archive.ts'
import type { Invocation } from '../command.ts'

const QUIET: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** Opens, uses, closes. Throws ConfigurationFault when there is no log or it may not be read. */
export async function withArchive<T>(
  { file, clock }: Pick<Invocation, 'file' | 'clock'>,
  use: (archive: Archive, path: string) => Promise<T>,
): Promise<T> {
  const path = logPathOf(file)
  const archive = openArchive({ path, clock, log: QUIET })
  try {
    return await use(archive, path)
  } finally {
    await archive.close()
  }
}

/** undefined: the file cannot be read or is not valid; the log is there all the same. */
export async function configurationOf(file: string): Promise<Configuration | undefined> {
  const loaded = await load({ file, kinds: await catalog.kinds(), env: process.env })
  return loaded.ok ? loaded.configuration : undefined
}
