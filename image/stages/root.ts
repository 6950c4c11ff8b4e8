/** The Debian root, as a tar: mmdebstrap runs the packages' maintainer scripts under emulation. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Archive, sources } from '../debian.ts'
import { EPOCH, PACKAGES, SUITE } from '../layout.ts'
import { run, step } from '../step.ts'

const BINFMT = '/proc/sys/fs/binfmt_misc'

/** Debian's policy keeps copyright files; everything else that a person would read in the box goes. */
const LEFT_OUT = ['man', 'locale', 'doc', 'info', 'lintian', 'bash-completion', 'zsh', 'bug', 'menu', 'pixmaps']

/** Makes the kernel of this machine start arm64 programs through qemu-user: what the package's binfmt.d line says. */
function emulate(): void {
  if (process.arch === 'arm64') return
  if (!existsSync(join(BINFMT, 'register'))) run('mount', ['-t', 'binfmt_misc', 'binfmt_misc', BINFMT])
  if (existsSync(join(BINFMT, 'qemu-aarch64'))) return
  writeFileSync(
    join(BINFMT, 'register'),
    readFileSync('/usr/lib/binfmt.d/qemu-aarch64.conf', 'latin1').trim(),
    'latin1',
  )
}

export function root(archive: Archive): string {
  emulate()
  const versions = PACKAGES.map((name) => `${name}=${archive.version(name)}`)
  const folder = step({
    name: 'root',
    from: { versions, SUITE, EPOCH, LEFT_OUT },
    make: (made) => {
      run(
        'mmdebstrap',
        [
          '--mode=root',
          '--architectures=arm64',
          '--variant=essential',
          '--format=tar',
          ...LEFT_OUT.map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
          '--dpkgopt=path-include=/usr/share/doc/*/copyright',
          `--include=${PACKAGES.join(',')}`,
          SUITE,
          join(made, 'root.tar'),
          ...sources(),
        ],
        { env: { SOURCE_DATE_EPOCH: String(EPOCH) } },
      )
    },
  })
  return join(folder, 'root.tar')
}
