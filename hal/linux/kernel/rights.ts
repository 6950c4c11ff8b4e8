/** Which right to a file of the kernel is missing, and what gives it: in one sentence, for every kind of device. */
import { readFileSync, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { ConfigurationFault } from '../../../src/contracts/errors.ts'
import { codeOf } from '../../fault.ts'

/** Files that the kernel makes while it runs are root's, until udev has heard of them and its rule gives them to our group: so long
 *  is waited before each next try. */
export const RIGHTS_MS: readonly number[] = [10, 20, 40, 80, 160, 320, 640]

/** Read and write for the group. */
const GROUP_RW = 0o060

interface Place {
  /** What stands for `/`. */
  readonly root?: string | undefined
  readonly cause?: unknown
}

/** No rights, in any of the ways a kernel says it. */
export function isRefused(thrown: unknown): boolean {
  return ['EACCES', 'EPERM', 'EROFS'].includes(codeOf(thrown))
}

/** `what` may not be used, as `path` may not be opened or written. */
export function noRights(what: string, path: string, { root = '/', cause }: Place = {}): ConfigurationFault {
  if (codeOf(cause) === 'EROFS') {
    return new ConfigurationFault(
      `${what} cannot be written: ${path} is mounted read-only for this service; add its folder to ReadWritePaths= of the unit`,
      { cause },
    )
  }
  const says = `${what} may not be used by user ${userName()} (${path})`
  return new ConfigurationFault(`${says}${missingRight(path, root)}`, { cause })
}

/** Goes on after "may not be used by user fieldgate", with a colon or with words. `group`: who should have the file. */
export function missingRight(path: string, root = '/', group?: string): string {
  const user = userName()
  let file: { readonly mode: number; readonly gid: number }
  try {
    file = statSync(path)
  } catch {
    return group === undefined ? ': the folder it is in is shut' : `: add it to group ${group}`
  }
  const { name, members } = groupOf(file.gid, root)
  if (name === 'root' && group === undefined) {
    return ': only root may; the udev rules of the package give it to the group of the service: install them, then restart the box'
  }
  if ((file.mode & GROUP_RW) !== GROUP_RW) {
    const mode = (file.mode & 0o777).toString(8)
    const give = group === undefined ? '' : `chgrp ${group} ${path} && sudo `
    return `: group ${name} has no right to it (mode ${mode}); "sudo ${give}chmod g+rw ${path}", and a udev rule that keeps it so`
  }
  if (process.getgroups?.().includes(file.gid) || process.getuid?.() === 0) {
    const key = path.startsWith(join(root, 'sys')) ? `ReadWritePaths=${path}` : `DeviceAllow=${path} rw`
    return ` although its mode allows it: the service's unit keeps it away; "sudo systemctl edit fieldgate-field", then [Service] ${key}`
  }
  if (members.includes(user)) return `: it was added to group ${name} after the service had started; restart it`
  return `: it belongs to group ${name}; "sudo usermod -aG ${name} ${user}", then restart the service`
}

export function userName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? '?')
  }
}

/** /etc/group: `dialout:x:20:one,other`. */
function groupOf(gid: number, root: string): { readonly name: string; readonly members: readonly string[] } {
  try {
    const lines = readFileSync(join(root, 'etc/group'), 'utf8').split('\n')
    const found = lines.map((line) => line.split(':')).find((fields) => Number(fields[2]) === gid && fields.length > 3)
    if (found !== undefined) return { name: found[0]!, members: found[3]!.split(',') }
  } catch {
    // Without the file a group is its number.
  }
  return { name: gid === 0 ? 'root' : String(gid), members: [] }
}
