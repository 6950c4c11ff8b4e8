/** What is in the package, and where. */
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, cpSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Architecture } from './architecture.ts'
import { changelog } from './changelog.ts'
import { control } from './control.ts'
import { copyright } from './copyright.ts'
import { filesIn, ROOT } from './files.ts'
import { manual } from './manual.ts'
import type { Modules } from './modules.ts'
import { sbom } from './sbom.ts'
import { nodeModule, type Shipped, shipped } from './shipped.ts'
import { isNeeded, isTrimmed, trimmed } from './trim.ts'

interface LayoutOptions {
  /** Made by us. */
  readonly tree: string
  readonly architecture: Architecture
  /** The compiled sources. */
  readonly built: string
  readonly modules: Modules
  readonly version: string
  readonly epoch: number
}

const HOME = 'usr/lib/fieldgate'
const DOC = 'usr/share/doc/fieldgate'
const DEBIAN = join(import.meta.dirname, 'debian')

/** The path of the bill of materials. */
export async function layOut(options: LayoutOptions): Promise<string> {
  const { tree, architecture, built, modules, version, epoch } = options
  process.umask(0o022)
  const put = (path: string, content: string | Uint8Array): string => {
    const file = join(tree, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
    return file
  }
  const copy = (from: string, path: string): void => {
    mkdirSync(dirname(join(tree, path)), { recursive: true })
    copyFileSync(from, join(tree, path))
  }
  const list = shipped(modules)
  const node = nodeModule(modules, architecture)

  put(`${HOME}/package.json`, `${JSON.stringify({ name: 'fieldgate', version, type: 'module', private: true })}\n`)
  cpSync(built, join(tree, HOME, 'dist'), { recursive: true })
  for (const module of list) {
    for (const path of filesOf(module)) {
      if (!isNeeded(module.name, path, architecture)) continue
      const from = join(module.folder, path)
      if (isTrimmed(module.name, path)) put(`${HOME}/${module.path}/${path}`, trimmed(path, readFileSync(from, 'utf8')))
      else copy(from, `${HOME}/${module.path}/${path}`)
    }
  }
  copy(join(node.folder, 'bin/node'), `${HOME}/bin/node`)
  chmodSync(join(tree, HOME, 'bin/node'), 0o755)
  copy(join(DEBIAN, 'fieldgate'), 'usr/bin/fieldgate')
  for (const name of ['setup', 'factory-reset']) copy(join(ROOT, 'systemd', name), `${HOME}/${name}`)
  systemd(copy)
  // What is edited, and what a factory reset puts back.
  for (const place of ['etc/fieldgate', 'usr/share/fieldgate'])
    copy(join(DEBIAN, 'gateway.yaml'), `${place}/gateway.yaml`)

  put('usr/share/man/man1/fieldgate.1.gz', zipped(await manual({ version, epoch })))
  put(`${DOC}/changelog.gz`, zipped(changelog({ version, epoch })))
  put(`${DOC}/copyright`, copyright(list, node))
  put(`${DOC}/LICENSE.node.gz`, zipped(readFileSync(join(node.folder, 'LICENSE'))))
  for (const name of ['operations', 'hardware', 'durability', 'configuration']) page(name, copy)
  copy(join(DEBIAN, 'lintian-overrides'), 'usr/share/lintian/overrides/fieldgate')
  const bill = put(`${HOME}/sbom.cdx.json`, sbom({ shipped: list, node, version, architecture, epoch }))

  for (const name of ['postinst', 'prerm', 'postrm']) copy(join(DEBIAN, name), `DEBIAN/${name}`)
  put('DEBIAN/conffiles', '/etc/fieldgate/gateway.yaml\n')
  put('DEBIAN/control', control({ version, architecture, kibibytes: kibibytes(tree) }))
  return bill
}

function systemd(copy: (from: string, path: string) => void): void {
  const from = join(ROOT, 'systemd')
  for (const path of filesIn(from)) {
    const [folder, name] = path.includes('/') ? path.split('/') : ['', path]
    if (folder === 'udev') copy(join(from, path), `usr/lib/udev/rules.d/${name}`)
    else if (folder === 'system.conf.d') copy(join(from, path), `usr/lib/systemd/${path}`)
    else if (folder !== '') copy(join(from, path), `usr/lib/${path}`)
    else if (/\.(service|target|timer|path|socket|slice)$/.test(path))
      copy(join(from, path), `usr/lib/systemd/system/${path}`)
  }
}

/** A module's own files, not those of modules inside it. */
function filesOf({ folder }: Shipped): readonly string[] {
  return filesIn(folder).filter((path) => !path.startsWith('node_modules/'))
}

function page(name: string, copy: (from: string, path: string) => void): void {
  const from = join(ROOT, 'docs', `${name}.md`)
  if (lstatSync(from, { throwIfNoEntry: false }) !== undefined) copy(from, `${DOC}/${name}.md`)
}

/** gzip's own program: what it writes does not depend on Node's version. */
function zipped(content: string | Uint8Array): Uint8Array {
  return execFileSync('gzip', ['-9n'], { input: content, maxBuffer: 1 << 26 })
}

function kibibytes(tree: string): number {
  return filesIn(tree).reduce((sum, path) => sum + Math.ceil(lstatSync(join(tree, path)).size / 1024), 0)
}
