/** Puts beside the built code what it reads as files and tsc does not copy. */
import { cpSync } from 'node:fs'

for (const folder of ['src/southbound/modbus/profiles', 'hal/boards']) {
  cpSync(new URL(`../${folder}`, import.meta.url), new URL(`../dist/${folder}`, import.meta.url), {
    recursive: true,
  })
}
