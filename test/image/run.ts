/** `npm run test:image`: boots the image in QEMU between two slaves, a broker and a disk that forgets, and checks it from
 *  outside. `--only PATTERN`: the checks whose name matches it, after the first boot; `--cuts N`; `--json FILE`; `--patience X`: times
 *  an idle machine's; `--keep`: the folder with medium and console stays. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { artefacts } from './artefacts.ts'
import { Box, Plant } from './box.ts'
import { chapters } from './chapters.ts'
import { Transcript } from './transcript.ts'

const { values: given } = parseArgs({
  options: {
    image: { type: 'string', default: 'dist/image' },
    only: { type: 'string' },
    cuts: { type: 'string', default: '20' },
    json: { type: 'string' },
    patience: { type: 'string', default: '3' },
    keep: { type: 'boolean', default: false },
  },
})

const began = performance.now()
const parts = artefacts(resolve(given.image))
const folder = mkdtempSync(join(tmpdir(), 'fieldgate-image-'))
const transcript = new Transcript()
const plant = await Plant.up()
const box = new Box({ folder, parts, plant, patience: Number(given.patience) })
console.log(
  `image ${(statSync(parts.image).size / 2 ** 20).toFixed(0)} MiB, load ${loadavg()[0]!.toFixed(1)}, in ${folder}`,
)
/** Whoever ends it early leaves no box and no plant behind. */
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => void Promise.all([box.off(), plant.down()]).finally(() => process.exit(1)))
}
try {
  for (const { name, needed, run } of chapters(box, { cuts: Number(given.cuts), bundle: parts.bundle })) {
    if (given.only !== undefined && !needed && !new RegExp(given.only).test(name)) continue
    await transcript.check(name, run, needed)
  }
} catch (thrown) {
  console.log(String(thrown))
} finally {
  await box.off()
  await plant.down()
  const seconds = Math.round((performance.now() - began) / 1000)
  const { checks, failed } = transcript
  console.log(
    `${checks.length - failed} of ${checks.length} checks held; ${seconds} s, load ${loadavg()[0]!.toFixed(1)}`,
  )
  if (given.json !== undefined) writeFileSync(given.json, `${JSON.stringify({ seconds, checks }, null, 2)}\n`)
  if (!given.keep && failed === 0) rmSync(folder, { recursive: true, force: true })
  else console.log(`kept: ${folder}`)
  process.exitCode = failed === 0 && checks.length > 0 ? 0 : 1
}
