/** Puts beside the built code what it reads as files and tsc does not copy. The built code is in `dist`, or where it is said. */
import { cpSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const built = process.argv[2] ?? join(root, 'dist')

for (const folder of ['src/southbound/modbus/profiles', 'hal/boards']) {
  cpSync(join(root, folder), join(built, folder), { recursive: true })
}
