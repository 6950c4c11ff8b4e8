/** Where what cannot be read is kept for whoever wants to look into it. */
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'

/** So many are kept, the newest ones: they stand outside the quota, and a box that damages its files damages many. */
const MOST = 8

/** Moves a file or folder within the log's folder to its `damaged/`; returns where it is now. Throws what the file system
 *  throws. */
export function moveAside(folder: string, path: string): string {
  const damaged = join(folder, 'damaged')
  if (!existsSync(damaged)) {
    mkdirSync(damaged)
    // Either half moves what is its own. The log's folder hands its group and that bit on, and where the umask leaves the group
    // its rights there is nothing to change: systemd's RestrictSUIDSGID= refuses any chmod with the bit.
    if ((statSync(damaged).mode & 0o070) !== 0o070) chmodSync(damaged, 0o2770)
  }
  const name = basename(path)
  let place = join(damaged, name)
  for (let number = 2; existsSync(place); number++) place = join(damaged, `${name}-${number}`)
  renameSync(path, place)
  const kept = readdirSync(damaged).map((each) => join(damaged, each))
  kept.sort((a, b) => statSync(b).ctimeMs - statSync(a).ctimeMs)
  for (const old of kept.slice(MOST)) rmSync(old, { recursive: true, force: true })
  return place
}
