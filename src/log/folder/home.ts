/** Where a log is at home. A copy is another file, whatever made it: log.json says of itself which file it is and in which
 *  machine, so a log that was restored, copied or moved to another disk is known for one. */
import { createHash } from 'node:crypto'
import { fstatSync, readFileSync } from 'node:fs'

/** What tells one machine from another, as far as it can be read. */
const MACHINE = ['/etc/machine-id', '/proc/device-tree/serial-number', '/sys/class/dmi/id/product_uuid']

/** Of an open file: no copy has the same. A file keeps it when it is renamed. Throws what the file system throws. */
export function homeOf(file: number): string {
  const { ino, birthtimeNs } = fstatSync(file, { bigint: true })
  return `${ino}-${birthtimeNs}-${machine()}`
}

function machine(): string {
  const hash = createHash('sha256')
  for (const path of MACHINE) {
    try {
      hash.update(readFileSync(path))
    } catch {
      // It has none, or it is not ours to know.
    }
    hash.update('\n')
  }
  return hash.digest('hex').slice(0, 16)
}
