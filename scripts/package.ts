/** `npm run package -- [--arch arm64|amd64] [--version 1.2.3] [--output folder] [--fast]`: the Debian package, with Node inside.
 *  The same sources give the same bytes: times come from the last commit, owners and order are fixed. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Architecture, isArchitecture } from './package/architecture.ts'
import { archive } from './package/archive.ts'
import { bundle } from './package/bundle.ts'
import { ROOT } from './package/files.ts'
import { layOut } from './package/layout.ts'
import { install } from './package/modules.ts'

const { values } = parseArgs({
  options: {
    arch: { type: 'string' },
    version: { type: 'string' },
    output: { type: 'string', default: join(ROOT, 'dist') },
    fast: { type: 'boolean', default: false },
  },
})
if (values.arch !== undefined && !isArchitecture(values.arch)) {
  console.error(`package: there is no architecture "${values.arch}": there are arm64 and amd64`)
  process.exit(2)
}
const architectures: readonly Architecture[] =
  values.arch !== undefined && isArchitecture(values.arch) ? [values.arch] : ['arm64', 'amd64']
const { version: own } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
const version = values.version ?? own
const epoch = Number(process.env.SOURCE_DATE_EPOCH ?? execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: ROOT }))

// Inside, so that the bundle finds the modules by the same way on every machine.
const cache = join(ROOT, 'node_modules/.cache')
mkdirSync(cache, { recursive: true })
const work = mkdtempSync(join(cache, 'package-'))
try {
  const built = join(work, 'built')
  run('tsc', '--project', 'scripts/tsconfig.build.json', '--outDir', built)
  await bundle(built, install(architectures[0]!).folder)
  run('node', 'scripts/assets.ts', built)
  mkdirSync(values.output, { recursive: true })
  for (const architecture of architectures) {
    const modules = install(architecture)
    const tree = join(work, architecture)
    const sbom = await layOut({ tree, architecture, built, modules, version, epoch })
    const name = `fieldgate_${version}_${architecture}`
    const file = join(values.output, `${name}.deb`)
    archive({ tree, file, epoch, fast: values.fast })
    copyFileSync(sbom, join(values.output, `${name}.cdx.json`))
    const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex')
    console.log(`${sha256}  ${file}`)
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}

function run(command: string, ...words: readonly string[]): void {
  const path = `${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}`
  execFileSync(command, words, { cwd: ROOT, stdio: 'inherit', env: { ...process.env, PATH: path } })
}
