/** What is in the package, for both architectures. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Built, build, namesIn } from './built.ts'

interface Component {
  readonly type: string
  readonly 'bom-ref': string
  readonly group?: string
  readonly name: string
  readonly version: string
  readonly purl: string
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[]
  readonly licenses: readonly { readonly license: { readonly id: string } }[]
  readonly properties?: readonly { readonly name: string; readonly value: string }[]
}

interface Bill {
  readonly bomFormat: string
  readonly specVersion: string
  readonly serialNumber: string
  readonly version: number
  readonly metadata: { readonly timestamp: string; readonly component: { readonly 'bom-ref': string } }
  readonly components: readonly Component[]
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[]
}

const HOME = 'usr/lib/fieldgate'
const MACHINE = { arm64: 'arm64', amd64: 'x64' } as const
/** ELF e_machine: AArch64 and x86-64. */
const MACHINES = { arm64: 183, amd64: 62 } as const

describe.each(['arm64', 'amd64'] as const)('the package for %s', (architecture) => {
  let folder: string
  let deb: Built
  let names: readonly string[]

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'fieldgate-contents-'))
    deb = build(folder, architecture)
    names = namesIn(deb.file)
    execFileSync('dpkg-deb', ['--extract', deb.file, join(folder, 'root')])
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const fileIn = (path: string): Buffer => readFileSync(join(folder, 'root', path))
  const paths = (): readonly string[] => names.map((line) => line.split(' ').at(-1)!.replace(/^\.\//, ''))

  it('is the same bytes when it is built again, at another time in another folder', () => {
    const again = build(join(folder, 'again'), architecture)
    expect(again.sha256).toBe(deb.sha256)
  })

  it('belongs to root, and nobody else may write it', () => {
    for (const line of names) expect(line).toMatch(/^[-d]r[w-]xr-xr-x 0\/0 |^-rw-r--r-- 0\/0 /)
  })

  it('has one Node and only addons of its own architecture', () => {
    const natives = paths().filter((path) => path.endsWith('.node') || path.endsWith('bin/node'))
    expect(natives.length).toBeGreaterThanOrEqual(4)
    for (const path of natives) {
      const head = fileIn(path).subarray(0, 20)
      expect(head.readUInt16LE(18), path).toBe(MACHINES[architecture])
    }
  })

  it('has no sources, tests, types, maps or compilers', () => {
    expect(
      paths().filter((path) => /\.([cm]?ts|map|c|cc|cpp|h|md|gyp|markdown)$/.test(path) && path.startsWith(HOME)),
    ).toEqual([])
    expect(paths().filter((path) => /vitest|biome|typescript|fast-check|@types/.test(path))).toEqual([])
  })

  it.runIf(process.arch === MACHINE[architecture])('loads every module that the code imports', () => {
    const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      dependencies: Record<string, string>
    }
    const home = join(folder, 'root', HOME)
    for (const name of Object.keys(dependencies)) {
      execFileSync(join(home, 'bin/node'), ['--input-type=module', '-e', `await import('${name}')`], { cwd: home })
    }
  })

  it('has what the code reads as files', () => {
    for (const path of ['dist/src/southbound/modbus/profiles', 'dist/hal/boards']) {
      expect(
        paths().some((name) => name.startsWith(`${HOME}/${path}/`) && name.endsWith('.yaml')),
        path,
      ).toBe(true)
    }
  })

  it('lists in its bill every module it has, with version, licence, hash and address', () => {
    const bill = JSON.parse(fileIn(`${HOME}/sbom.cdx.json`).toString()) as Bill
    expect(bill).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.6', version: 1 })
    expect(bill.serialNumber).toMatch(
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    )
    expect(bill.metadata.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    const [node, ...modules] = bill.components
    const listed = modules.map(
      ({ group, name, version }) => `${group === undefined ? '' : `${group}/`}${name}@${version}`,
    )
    const manifests = paths().filter((path) => /node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(path))
    const shipped = manifests.map((path) => {
      const { name, version } = JSON.parse(fileIn(path).toString()) as { name: string; version: string }
      return `${name}@${version}`
    })
    expect([...listed].sort()).toEqual(shipped.sort())
    for (const { name, purl, hashes, licenses } of modules) {
      expect(purl, name).toMatch(/^pkg:npm\/(%40[^/]+\/)?[^@/]+@\d/)
      expect(hashes?.[0], name).toMatchObject({ alg: 'SHA-512', content: expect.stringMatching(/^[0-9a-f]{128}$/) })
      expect(licenses[0]!.license.id, name).toMatch(/^[A-Za-z0-9.-]+$/)
    }
    expect(node!.purl).toMatch(new RegExp(`^pkg:npm/node-linux-${architecture === 'arm64' ? 'arm64' : 'x64'}@24\\.`))
    const references = bill.components.map((component) => component['bom-ref'])
    expect(new Set(references).size).toBe(references.length)
    const known = new Set([...references, bill.metadata.component['bom-ref']])
    for (const { ref, dependsOn } of bill.dependencies)
      for (const each of [ref, ...dependsOn]) expect(known).toContain(each)
  })

  it('tells whose everything is and under which terms', () => {
    const text = fileIn('usr/share/doc/fieldgate/copyright').toString()
    const files = [...text.matchAll(/^Files: (.+)\nCopyright: (.+)\n(?: {2,}.+\n)*License: (.+)$/gm)]
    const modules = paths().filter((path) => /node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(path))
    const told = new Set(files.map(([, path]) => path))
    for (const path of modules) expect(told).toContain(path.replace('package.json', '*'))
    const terms = new Set([...text.matchAll(/^License: (.+)\n /gm)].map(([, name]) => name))
    for (const [, path, , licence] of files) expect(terms, path).toContain(licence)
    const node = gunzipSync(fileIn('usr/share/doc/fieldgate/LICENSE.node.gz')).toString()
    for (const part of ['V8', 'OpenSSL', 'libuv', 'ICU']) expect(node).toContain(part)
  })

  it('has nothing that lintian holds against it and nobody has explained', () => {
    if (!existsSync('/usr/bin/lintian'))
      return console.error('SKIPPED: lintian’s judgement, for want of /usr/bin/lintian')
    const judged = spawnSync('lintian', ['--allow-root', '--fail-on', 'error,warning', deb.file], { encoding: 'utf8' })
    expect(judged.stdout.replace(/^running with root.*\n/gm, '')).toBe('')
  })

  it('has a manual that groff understands, and each command is in it', () => {
    const page = gunzipSync(fileIn('usr/share/man/man1/fieldgate.1.gz'))
    const judged = spawnSync('groff', ['-man', '-Tutf8', '-ww', '-z'], { input: page, encoding: 'utf8' })
    expect(judged.stderr ?? '').toBe('')
    const program = readFileSync(join(import.meta.dirname, '../../src/cli/program.ts'), 'utf8')
    for (const [, name] of program.matchAll(/^ {4}name: '(\w+)',$/gm))
      expect(page.toString()).toContain(`.SS fieldgate ${name}`)
  })

  it('begins with a configuration that talks to nobody', () => {
    const file = join(folder, 'gateway.yaml')
    execFileSync('sh', ['-c', `cat > ${file}`], { input: fileIn('etc/fieldgate/gateway.yaml') })
    const checked = execFileSync(process.execPath, ['src/main.ts', 'check', '--config', file], { encoding: 'utf8' })
    expect(checked).toContain('is valid: 0 connections, 0 devices, 0 groups, 0 tags, 0 sinks.')
  })
})
