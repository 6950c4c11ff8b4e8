/** The bill of materials: CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/), the same bytes for the same package. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Architecture } from './architecture.ts'
import type { Shipped } from './shipped.ts'

interface SbomOptions {
  readonly shipped: readonly Shipped[]
  readonly node: Shipped
  readonly version: string
  readonly architecture: Architecture
  readonly epoch: number
}

interface Component {
  readonly type: 'application' | 'library' | 'framework' | 'platform'
  readonly 'bom-ref': string
  readonly name: string
  readonly group?: string
  readonly version: string
  readonly purl?: string
  readonly [more: string]: unknown
}

export function sbom({ shipped, node, version, architecture, epoch }: SbomOptions): string {
  const own = `fieldgate@${version}`
  const runtime: Component = {
    ...component(node, 'platform'),
    description: 'Node.js, the runtime, as published',
    properties: [
      { name: 'fieldgate:file:usr/lib/fieldgate/bin/node:sha256', value: sha256(join(node.folder, 'bin/node')) },
    ],
    components: inside(node.version),
  }
  const components = [runtime, ...shipped.map((module) => component(module, 'library'))]
  const document = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: '',
    version: 1,
    metadata: {
      timestamp: new Date(epoch * 1000).toISOString().replace('.000', ''),
      tools: { components: [{ type: 'application', name: 'npm run package', version }] },
      component: {
        type: 'application',
        'bom-ref': own,
        name: 'fieldgate',
        version,
        licenses: [{ license: { id: 'Apache-2.0' } }],
        purl: `pkg:deb/fieldgate@${version}?arch=${architecture}`,
      },
    },
    components,
    dependencies: [
      { ref: own, dependsOn: [runtime['bom-ref'], ...shipped.filter(isDirect).map(reference)].sort() },
      { ref: runtime['bom-ref'], dependsOn: [] },
      ...shipped.map((module) => ({ ref: reference(module), dependsOn: needs(module, shipped) })),
    ],
  }
  document.serialNumber = `urn:uuid:${uuid(JSON.stringify(document))}`
  return `${JSON.stringify(document, null, 2)}\n`
}

function component(module: Shipped, type: Component['type']): Component {
  const { name, version, licence, locked, author } = module
  const [scope, short] = name.startsWith('@') ? (name.split('/') as [string, string]) : [undefined, name]
  return {
    type,
    'bom-ref': reference(module),
    ...(author === undefined ? {} : { authors: [{ name: author }] }),
    ...(scope === undefined ? {} : { group: scope }),
    name: short,
    version,
    hashes: hashes(locked.integrity),
    licenses: [/ (OR|AND|WITH) /.test(licence) ? { expression: licence } : { license: { id: licence } }],
    purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
  }
}

/** The same module may stand in two places, in two versions or in one. */
function reference({ path, version }: Shipped): string {
  return `${path.replace(/^node_modules\//, '').replaceAll('/node_modules/', '>')}@${version}`
}

function isDirect({ path }: Shipped): boolean {
  return declared.has(path.replace(/^node_modules\//, ''))
}

const declared = new Set(
  Object.keys(
    (
      JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
        readonly dependencies: Readonly<Record<string, string>>
      }
    ).dependencies,
  ),
)

/** As Node finds them: in the module itself, then in each folder above. */
function needs(module: Shipped, all: readonly Shipped[]): readonly string[] {
  const { dependencies, optionalDependencies } = module.locked
  const found = Object.keys({ ...dependencies, ...optionalDependencies }).flatMap((name) => {
    for (let at = module.path; at !== '.'; at = dirname(at)) {
      const there = all.find(({ path }) => path === `${at}/node_modules/${name}`)
      if (there !== undefined) return [reference(there)]
    }
    return all.filter(({ path }) => path === `node_modules/${name}`).map(reference)
  })
  return [...new Set(found)].sort()
}

/** From the lockfile: of the archive as it was published. */
function hashes(integrity = ''): readonly { readonly alg: string; readonly content: string }[] {
  const [, algorithm, digest] = /^sha(512|256)-(.+)$/.exec(integrity) ?? []
  if (algorithm === undefined) throw new Error(`package: a module has no hash in package-lock.json: "${integrity}"`)
  return [{ alg: `SHA-${algorithm}`, content: Buffer.from(digest!, 'base64').toString('hex') }]
}

/** What Node itself is made of: most of what is found to be vulnerable in it is found there. Told by the same version only. */
function inside(version: string): readonly Component[] {
  if (process.versions.node !== version) throw new Error(`package: run this with Node ${version}, as npm does`)
  const names = [
    'ada',
    'brotli',
    'cares',
    'llhttp',
    'nghttp2',
    'openssl',
    'simdjson',
    'sqlite',
    'undici',
    'uv',
    'v8',
    'zlib',
    'zstd',
  ]
  return names.flatMap((name) => {
    const of = process.versions[name]
    if (of === undefined) return []
    return [
      {
        type: 'library' as const,
        'bom-ref': `node>${name}@${of}`,
        name,
        version: of,
        purl: `pkg:generic/${name}@${of}`,
      },
    ]
  })
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

/** Version 5 in form (RFC 9562): from what it names. */
function uuid(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  const variant = ((Number.parseInt(hex[16]!, 16) & 0x3) | 0x8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
