/** What a folder must be before a log is laid or opened in it. Looks only: a folder that is refused is left as it is. */
import { accessSync, constants, readdirSync, statfsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ConfigurationFault, sentence } from '../../contracts/errors.ts'
import { HEAD_BYTES as BLOCK_HEAD_BYTES, VERSION as BLOCK_VERSION, versionOf } from '../records/block.ts'
import { DATABASE_FILE } from '../segments/environment.ts'
import { FORMAT, KEY, nameOf } from '../segments/layout.ts'
import { Pages } from '../segments/pages.ts'

/** Types of statfs(2) whose files are on another machine, or another program's promise. */
const ELSEWHERE: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB 2'],
  [0x01021997, '9P'],
  [0x65735546, 'FUSE'],
  [0x00c36400, 'Ceph'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'AFS'],
  [0x73757245, 'Coda'],
  [0x564c, 'NCP'],
  [0x7461636f, 'OCFS2'],
  [0x01161970, 'GFS2'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0xaad7aaea, 'PanFS'],
  [0x19830326, 'BeeGFS'],
  [0x20030528, 'OrangeFS'],
  [0xbacbacbc, 'VMware shared folders'],
  [0x786f4256, 'VirtualBox shared folders'],
  [0x7c7c6673, 'Parallels shared folders'],
])

/** The name of a file system on which neither a sync nor a map can be relied on; undefined: it is of this machine. FUSE is
 *  among them, whatever is behind it: nobody here can tell. */
export function networkFileSystem(type: number): string | undefined {
  return ELSEWHERE.get(type >>> 0)
}

/** What may stand in a folder that is no log yet. */
const OURS = /^(log|knowledge|boots|active)\.(json|yaml)(\.|$)|^(writer|reader)(\.|$)|^(run|lost\+found|ballast)$/

/** Throws ConfigurationFault: place, reason, remedy. */
export function checkGround(folder: string): void {
  const refuse = (why: string, remedy: string): never => {
    throw new ConfigurationFault(`log.path: ${folder} ${why}; ${remedy}`)
  }
  const there = standing(folder, refuse)
  const network = networkFileSystem(statfsSync(there).type)
  if (network !== undefined) {
    refuse(
      `is on a network file system (${network}), where what is synced may be lost`,
      'name a folder on a local disk',
    )
  }
  try {
    accessSync(there, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (thrown) {
    // A disk that takes nothing at present may take it later.
    if (codeOf(thrown) !== 'EROFS' || there !== folder) {
      refuse(
        `cannot be written (${sentence(thrown)})`,
        `let the user of fieldgate write ${there}, or name another folder`,
      )
    }
  }
  if (there !== folder) return
  const names = readdirSync(folder)
  if (names.includes('log.json')) return
  if (names.includes('segments')) {
    refuse('holds segments of a log, but its log.json is gone', 'put log.json back, or move the folder away')
  }
  const foreign = names.find((name) => !OURS.test(name))
  if (foreign !== undefined) {
    refuse(`holds other files ("${foreign}") and is no log`, 'name an empty folder, or one that does not exist yet')
  }
}

/** The folder, or of the folders above the first that exists. */
function standing(folder: string, refuse: (why: string, remedy: string) => never): string {
  for (let place = folder; ; place = dirname(place)) {
    try {
      const stat = statSync(place)
      if (stat.isDirectory()) return place
      refuse(
        place === folder ? 'is a file' : `cannot be made: ${place} is a file`,
        'name a folder, or move the file away',
      )
    } catch (thrown) {
      if (thrown instanceof ConfigurationFault) throw thrown
      if (codeOf(thrown) === 'ENOTDIR' || codeOf(thrown) === 'ENOENT') continue
      refuse(`cannot be looked at (${sentence(thrown)})`, 'let the user of fieldgate enter the folders above it')
    }
  }
}

function codeOf(thrown: unknown): string | undefined {
  return (thrown as NodeJS.ErrnoException).code
}

/** Throws ConfigurationFault when a segment is of a newer fieldgate. What is damaged is judged when it is read. */
export function checkVersions(folder: string): void {
  let names: readonly string[]
  try {
    names = readdirSync(join(folder, 'segments')).filter((name) => nameOf(name) !== undefined)
  } catch {
    return
  }
  for (const name of names) {
    const path = join(folder, 'segments', name)
    const { head, block } = versionsIn(join(path, DATABASE_FILE))
    if (head > FORMAT || block > BLOCK_VERSION) {
      const known =
        head > FORMAT
          ? `format ${head}, this one knows ${FORMAT}`
          : `blocks of version ${block}, this one knows ${BLOCK_VERSION}`
      throw new ConfigurationFault(
        `log.path: ${path} was written by a newer fieldgate (${known}); run that version, or move the folder away`,
      )
    }
  }
}

/** Of a segment's head and of its last block; 0: not to be read. */
function versionsIn(path: string): { readonly head: number; readonly block: number } {
  let pages: Pages | undefined
  try {
    pages = new Pages(path)
    const first = pages.edge('first', 64)
    const last = pages.edge('last', BLOCK_HEAD_BYTES)
    const head = first?.key[0] === KEY.meta ? /^\{"format":(\d+)/.exec(first.value.toString('latin1')) : undefined
    return { head: Number(head?.[1] ?? 0), block: last === undefined ? 0 : versionOf(last.value) }
  } catch {
    return { head: 0, block: 0 }
  } finally {
    pages?.close()
  }
}
