/** Debian's archive for the guest: an apt of its own, beside the host's and from the host's mirror, that only downloads. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SUITE } from './layout.ts'
import { CACHE, run } from './step.ts'

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** The mirror that this machine's apt uses for Debian, or Debian's own. */
function mirror(kind: 'debian' | 'debian-security'): string {
  const named = kind === 'debian' ? process.env.MIRROR : process.env.MIRROR_SECURITY
  if (named !== undefined) return named
  const uris = run('apt-get', ['indextargets', '--format', '$(REPO_URI)']).split('\n')
  const found = uris.find((uri) => uri.replace(/\/$/, '').endsWith(`/${kind}`))
  return found?.replace(/\/$/, '') ?? `http://deb.debian.org/${kind}`
}

/** The lines of sources.list for the root itself: what the running box consists of. */
export function sources(): string[] {
  const from = `deb [arch=arm64 signed-by=${KEYRING}]`
  return [
    `${from} ${mirror('debian')} ${SUITE} main`,
    `${from} ${mirror('debian')} ${SUITE}-updates main`,
    `${from} ${mirror('debian-security')} ${SUITE}-security main`,
  ]
}

export class Archive {
  readonly #environment: Readonly<Record<string, string>>
  readonly #folder = join(CACHE, 'apt')
  readonly #known = new Map<string, string[]>()

  constructor() {
    const folder = this.#folder
    for (const name of ['lists/partial', 'cache/archives/partial', 'preferences.d', 'packages']) {
      mkdirSync(join(folder, name), { recursive: true })
    }
    writeFileSync(join(folder, 'status'), '')
    const from = `deb [arch=arm64 signed-by=${KEYRING}] ${mirror('debian')}`
    const more = [`${from} ${SUITE} non-free-firmware`, `${from} ${SUITE}-backports main`, `${from} forky main`]
    writeFileSync(join(folder, 'sources.list'), `${[...sources(), ...more].join('\n')}\n`)
    const settings = {
      'APT::Architecture': 'arm64',
      'APT::Default-Release': SUITE,
      'APT::Sandbox::User': 'root',
      'Acquire::Languages': 'none',
      'Dir::State': folder,
      'Dir::State::status': join(folder, 'status'),
      'Dir::Cache': join(folder, 'cache'),
      'Dir::Etc::sourcelist': join(folder, 'sources.list'),
      'Dir::Etc::sourceparts': '/dev/null',
      'Dir::Etc::preferencesparts': join(folder, 'preferences.d'),
    }
    const text = Object.entries(settings).map(([key, value]) => `${key} "${value}";`)
    writeFileSync(join(folder, 'apt.conf'), `${text.join('\n')}\nAPT::Architectures { "arm64"; };\n`)
    this.#environment = { APT_CONFIG: join(folder, 'apt.conf') }
  }

  update(): void {
    run('apt-get', ['update', '-q'], { env: this.#environment })
  }

  /** The release of the newest kernel of backports, as its modules' folder is called. */
  kernelRelease(name: string): string {
    const text = run('apt-cache', ['show', `${name}=${this.version(`${name}/${SUITE}-backports`)}`], {
      env: this.#environment,
    })
    const release = /linux-image-([^\s,]+)/.exec(/^Depends:.*$/m.exec(text)?.[0] ?? '')?.[1]
    if (release === undefined) throw new Error(`no kernel of ${SUITE}-backports stands behind ${name}`)
    return release
  }

  /** The version of this package, or of `package/suite`, that would be taken; empty if the archive has none. */
  version(name: string): string {
    const [bare, suite] = name.split('/')
    const rows = this.#rows(bare!)
    return (
      rows
        .find((row) => suite === undefined || row.includes(` ${suite}/`))
        ?.split('|')[1]
        ?.trim() ?? ''
    )
  }

  /** Asks once for all of these what `version` would ask for one by one. */
  look(names: readonly string[]): void {
    const bare = names.map((name) => name.split('/')[0]!)
    const text = run('apt-cache', ['madison', ...bare], { env: this.#environment })
    for (const name of bare) this.#known.set(name, [])
    for (const row of text.split('\n')) this.#known.get(row.split('|')[0]!.trim())?.push(row)
  }

  #rows(bare: string): readonly string[] {
    if (!this.#known.has(bare)) this.look([bare])
    return this.#known.get(bare)!
  }

  /** Downloads each package into `folder`; returns the paths of the files, in the order of the names. */
  download(folder: string, names: readonly string[]): string[] {
    return names.map((name) => {
      const before = new Set(readdirSync(folder))
      run('apt-get', ['download', '-q', name], { cwd: folder, env: this.#environment })
      const file = readdirSync(folder).find((entry) => !before.has(entry) && entry.endsWith('.deb'))
      if (file === undefined) throw new Error(`apt-get downloaded nothing for ${name}`)
      return join(folder, file)
    })
  }
}
