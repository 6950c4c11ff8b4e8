/** Device profiles: groups, tags and limits of a kind of device, by name. Found beside the file first, then among those shipped. */
import { readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type Check, isMap, type Keys } from './check.ts'
import * as shapes from './shapes.ts'
import { unknownName } from './spelling.ts'
import type { Beside, Texts } from './texts.ts'
import { type Path, parseTree, type Tree } from './tree.ts'

export interface ProfileSources {
  /** Folders with profiles that came with the drivers. */
  readonly shipped: readonly string[]
  /** Files by the name of their profile, which go before all others. */
  readonly files: Readonly<Record<string, string>>
}

interface Options {
  readonly check: Check
  readonly texts: Texts
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  readonly sources: ProfileSources
}

interface Profile {
  readonly file: string
  readonly tree: Tree
}

export interface ProfileKeys {
  /** Where it stands: files that it names stand there too. */
  readonly folder: string
  /** Those of a device. */
  readonly keys: Keys
}

/** What says something of the profile itself; the rest are keys of a device. */
const OWN = Object.keys(shapes.profileShape.shape)
/** What only the device that uses it can say. */
const NOT_ITS_OWN = ['connection', 'profile', 'enabled']

export class Profiles {
  readonly #options: Options
  readonly #known = new Map<string, Profile | undefined>()

  constructor(options: Options) {
    this.#options = options
  }

  /** The profile that the device at `path` names; undefined: there is none to use, and why has been said. */
  of(name: string, path: Path): ProfileKeys | undefined {
    const { check } = this.#options
    if (!this.#known.has(name)) this.#known.set(name, this.#read(name, [...path, 'profile']))
    const profile = this.#known.get(name)
    if (profile === undefined) return undefined
    const { file, tree } = profile
    check.places.add({
      at: path,
      file,
      tree,
      locate: (below, what) => (tree.has(below) ? tree.position(tree.locate(below, what)) : undefined),
    })
    if (!isMap(tree.value)) return undefined
    const keys = { ...tree.value }
    const own: Keys = {}
    for (const key of OWN) {
      if (Object.hasOwn(keys, key)) own[key] = keys[key]
      delete keys[key]
    }
    check.object(shapes.profileShape, own, path)
    for (const key of NOT_ITS_OWN) {
      if (!Object.hasOwn(keys, key)) continue
      const text = `${key} is said by the device that uses the profile, not here`
      check.places.at(file, tree.position(tree.locate([key], 'key')), [...path, key], text, key)
      delete keys[key]
    }
    return { folder: dirname(file), keys }
  }

  #read(name: string, path: Path): Profile | undefined {
    const { check, env } = this.#options
    const read = this.#find(basename(name))
    if (!read.ok) {
      const missing = unknownName('profile', name, this.#names()).text
      if (read.line > 0) check.places.at(read.file, { line: read.line, column: 1 }, [], read.why)
      else
        check.places.say(
          path,
          read.why === 'does not exist' ? missing : `there is no profile "${name}": ${read.file} ${read.why}`,
          'value',
        )
      return undefined
    }
    const tree = parseTree(read.text, { folder: dirname(read.file), env })
    if (tree.value !== undefined && tree.value !== null && !isMap(tree.value)) {
      check.places.at(read.file, { line: 1, column: 1 }, path, 'expected the keys of a device, such as groups')
    }
    return { file: read.file, tree }
  }

  #find(name: string): Beside {
    const { texts, sources } = this.#options
    const file = `${name}.yaml`
    const named = sources.files[name]
    if (named !== undefined) return texts.read(named)
    // What was put into force with a shipped profile stays with it, whatever stands beside the file by now.
    const beside = join('profiles', file)
    const own = texts.kept(shippedName(file)) ? undefined : texts.read(beside)
    if (own !== undefined && (own.ok || own.why !== 'does not exist')) return own
    for (const folder of sources.shipped) {
      const found = texts.read(file, folder, shippedName(file))
      if (found.ok || found.why !== 'does not exist') return found
    }
    return own ?? texts.read(beside)
  }

  #names(): string[] {
    const { folder, sources } = this.#options
    const files = [join(folder, 'profiles'), ...sources.shipped].flatMap(filesIn)
    const names = files.flatMap((file) => (file.endsWith('.yaml') ? [file.slice(0, -'.yaml'.length)] : []))
    return [...new Set([...Object.keys(sources.files), ...names])].sort()
  }
}

/** What a shipped profile is called in what is kept, wherever the package is installed by then. */
function shippedName(file: string): string {
  return `shipped profiles/${file}`
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
