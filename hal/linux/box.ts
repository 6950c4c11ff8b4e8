/** Where the kernel's files are, who may open them, and what is said when one may not be. */
import { readFileSync, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { ConfigurationFault, Retryable } from '../../src/contracts/errors.ts'
import type { Ioctl } from './kernel.ts'

/** The box that devices are opened on; a test has another. */
export interface Box {
  /** Before `/dev` and `/sys`. */
  readonly root?: string
  readonly ioctl?: Ioctl
}

/** `Reason.noConnection`: this folder knows the fault classes, not the batch. */
const NO_CONNECTION = 11

/** It may come to work by itself. */
export function unavailable(text: string, cause?: unknown): Retryable {
  return new Retryable(text, { reason: NO_CONNECTION, cause })
}

/** `ENOENT`, `EACCES`, … of a file or of a call; empty for anything else. */
export function codeOf(thrown: unknown): string {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown ? String(thrown.code) : ''
}

/** The file may not be opened, or may not be written: who may, and how this user becomes one of them. */
export function noRights(what: string, path: string, thrown: unknown): ConfigurationFault {
  if (codeOf(thrown) === 'EROFS') {
    return new ConfigurationFault(
      `${what} cannot be written: ${path} is mounted read-only for this service; add its folder to ReadWritePaths= of the unit`,
      { cause: thrown },
    )
  }
  const user = userName()
  const group = groupOf(path)
  const remedy =
    group === undefined || group === 'root'
      ? `only root may; the udev rules of the package give it to the group of the service: install them, then restart the box`
      : `group ${group} may: sudo usermod -aG ${group} ${user}, then restart the service`
  return new ConfigurationFault(`${what} may not be used by user ${user} (${path}): ${remedy}`, { cause: thrown })
}

export function userName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? '?')
  }
}

/** The name of the group that a file belongs to. */
function groupOf(path: string): string | undefined {
  try {
    const { gid } = statSync(path)
    const line = readFileSync('/etc/group', 'utf8')
      .split('\n')
      .find((entry) => entry.split(':')[2] === String(gid))
    return line?.split(':')[0] ?? String(gid)
  } catch {
    return undefined
  }
}

/** No rights, in any of the ways a kernel says it. */
export function isRefused(thrown: unknown): boolean {
  return ['EACCES', 'EPERM', 'EROFS'].includes(codeOf(thrown))
}
