/** The house rules of who may import whom, and who may read a clock: each is checked on every source file. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = resolve(import.meta.dirname, '..')
const SEVERAL_ROOMS = new Set(
  ['gateway', 'field', 'connection', 'uplink', 'box', 'catalog', 'main'].map((name) => `src/${name}.ts`),
)
/** A native or protocol library belongs to one place. */
const HOMES: Readonly<Record<string, readonly string[]>> = {
  lmdb: ['src/log/'],
  serialport: ['hal/linux/'],
  koffi: ['hal/linux/'],
  mqtt: ['src/northbound/mqtt/'],
  yaml: ['src/config/'],
  aedes: ['src/cli/demo/'],
  'modbus-serial': ['src/cli/demo/'],
  commander: ['src/cli/'],
  fflate: ['src/cli/import/'],
  'smol-toml': ['src/cli/import/'],
  pino: ['src/cli/'],
  'prom-client': ['src/health/'],
}
const HEAVY = ['lmdb', 'serialport', 'mqtt', 'aedes', 'modbus-serial', 'prom-client']

interface Import {
  readonly file: string
  readonly specifier: string
  readonly typeOnly: boolean
  readonly lazy: boolean
  /** Path from the root for our own files, undefined for packages. */
  readonly target: string | undefined
}

function files(directory: string): string[] {
  return readdirSync(join(ROOT, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${directory}/${name}`)
}

const sources = [...files('src'), ...files('hal')]
const text = new Map(sources.map((file) => [file, readFileSync(join(ROOT, file), 'utf8')]))

function importsOf(file: string): Import[] {
  const found: Import[] = []
  const source = text.get(file)!
  const add = (specifier: string, typeOnly: boolean, lazy: boolean): void => {
    const target = specifier.startsWith('.') ? relative(ROOT, resolve(ROOT, dirname(file), specifier)) : undefined
    found.push({ file, specifier, typeOnly, lazy, target })
  }
  for (const match of source.matchAll(/^(?:import|export)\s+(type\s+)?(?:[^'"]*?from\s+)?['"]([^'"]+)['"]/gm)) {
    add(match[2]!, match[1] !== undefined, false)
  }
  for (const match of source.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)) add(match[1]!, false, true)
  return found
}

const imports = sources.flatMap(importsOf)
const roomOf = (path: string): string => path.split('/')[1]!

/** The sentence that a failing rule prints. */
function complaint({ file, specifier }: Import): string {
  return `${file} imports ${specifier}`
}

describe('the house', () => {
  it('is read whole: the rules below see the imports there are', () => {
    expect(sources.length).toBeGreaterThan(50)
    expect(imports.length).toBeGreaterThan(150)
  })

  it('has nothing at its top level beside what the design names', () => {
    const allowed = new Set([
      'package.json',
      'package-lock.json',
      'tsconfig.json',
      'README.md',
      'CHANGELOG.md',
      'LICENSE',
      'docs',
      'src',
      'hal',
      'systemd',
      'image',
      'test',
      'scripts',
      'node_modules',
      'dist',
    ])
    const beside = readdirSync(ROOT).filter((name) => !name.startsWith('.') && !allowed.has(name))
    expect(beside).toEqual([])
  })

  it('has no room for things without a name', () => {
    const nameless = sources.filter((file) => /\/(utils?|helpers?|common|shared|misc|lib)(\/|\.ts$)/.test(file))
    expect(nameless).toEqual([])
  })

  it('opens every file with what it is for', () => {
    const silent = sources.filter((file) => !/^(#![^\n]*\n)?\/\*\*/.test(text.get(file)!))
    expect(silent).toEqual([])
  })
})

describe('imports', () => {
  it('of contracts stay within contracts', () => {
    const wrong = imports.filter(
      ({ file, target }) => file.startsWith('src/contracts/') && !target?.startsWith('src/contracts/'),
    )
    expect(wrong.map(complaint)).toEqual([])
  })

  it('of hal are its own, and the contracts for clock and errors', () => {
    const wrong = imports.filter(
      ({ file, target }) =>
        file.startsWith('hal/') &&
        target !== undefined &&
        !target.startsWith('hal/') &&
        target !== 'src/contracts/clock.ts' &&
        target !== 'src/contracts/errors.ts',
    )
    // A line fault carries its reason, whose codes stand with the batch.
    const other = wrong.filter(({ target }) => target !== 'src/contracts/batch.ts')
    expect(other.map(complaint)).toEqual([])
  })

  it('of a room are its own, the contracts, and types of the board', () => {
    const wrong = imports.filter(({ file, target, typeOnly }) => {
      if (!file.startsWith('src/') || target === undefined) return false
      if (SEVERAL_ROOMS.has(file) || file.startsWith('src/cli/')) return false
      if (target.startsWith('src/contracts/') || roomOf(target) === roomOf(file)) return false
      return !(target === 'hal/contract.ts' && typeOnly)
    })
    expect(wrong.map(complaint)).toEqual([])
  })

  it('of one driver or sink never reach into another', () => {
    const wrong = imports.filter(({ file, target }) => {
      const [, room, folder] = file.split('/')
      if ((room !== 'southbound' && room !== 'northbound') || target === undefined) return false
      return target.startsWith(`src/${room}/`) && !target.startsWith(`src/${room}/${folder}/`)
    })
    expect(wrong.map(complaint)).toEqual([])
  })

  it('of native and protocol libraries happen in one place each', () => {
    const wrong = imports.filter(({ file, specifier }) => {
      const library = specifier.startsWith('@') ? specifier : specifier.split('/')[0]!
      const homes = HOMES[library]
      return homes !== undefined && !homes.some((home) => file.startsWith(home))
    })
    expect(wrong.map(complaint)).toEqual([])
  })

  it('do not load what a configuration may not need: the composition reaches heavy rooms lazily', () => {
    const reached = new Set<string>()
    const visit = (file: string): void => {
      if (reached.has(file)) return
      reached.add(file)
      for (const { target, typeOnly, lazy } of imports.filter((one) => one.file === file)) {
        if (target !== undefined && !typeOnly && !lazy) visit(target)
      }
    }
    visit('src/main.ts')
    const eager = imports.filter(
      ({ file, specifier, typeOnly, lazy }) => reached.has(file) && !typeOnly && !lazy && HEAVY.includes(specifier),
    )
    expect(eager.map(complaint)).toEqual([])
  })
})

describe('time', () => {
  it('is read, and timers are set, only in time/ and where the kernel asks for it', () => {
    const clocks =
      /\b(new Date\b|Date\.now|Date\(|performance\.|setTimeout\(|setInterval\(|setImmediate\(|timers\/promises|hrtime)/
    const wrong = sources.filter((file) => {
      if (file.startsWith('src/time/') || file.startsWith('hal/linux/')) return false
      const code = text.get(file)!.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'/g, '')
      return clocks.test(code)
    })
    expect(wrong).toEqual([])
  })
})

describe('errors', () => {
  it('are thrown by remedy: nothing throws a plain Error', () => {
    const wrong = sources.filter((file) =>
      /\b(throw|reject\()\s*new (Error|TypeError|RangeError)\b/.test(text.get(file)!),
    )
    expect(wrong).toEqual([])
  })
})
