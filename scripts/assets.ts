/** Puts beside the built code what it reads as files and tsc does not copy. */
import { cpSync } from 'node:fs'

for (const folder of ['southbound/modbus/profiles']) {
  cpSync(new URL(`../src/${folder}`, import.meta.url), new URL(`../dist/src/${folder}`, import.meta.url), {
    recursive: true,
  })
}
