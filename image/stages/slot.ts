/** The root of a slot: Debian's tar, the kernel's modules, Fieldgate's package and the files of the image, as a squashfs. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { basename, join } from 'node:path'
import type { Archive } from '../debian.ts'
import { EPOCH, UNPACKED } from '../layout.ts'
import { hashOf, run, step } from '../step.ts'
import type { Kernel } from './kernel.ts'

const FILES = join(import.meta.dirname, '../files')
const GUEST = join(import.meta.dirname, '../guest')

export interface Slot {
  readonly archive: Archive
  readonly root: string
  readonly kernel: Kernel
  /** Fieldgate's Debian package. */
  readonly deb: string
  /** Whose updates the slot takes. */
  readonly certificate: string
}

/** What Debian's tools would have done here, slowly: one file of all authorities, and the names by which OpenSSL finds them. */
function certificates(root: string): void {
  const from = join(root, 'usr/share/ca-certificates/mozilla')
  const to = join(root, 'etc/ssl/certs')
  mkdirSync(to, { recursive: true })
  const names = readdirSync(from)
    .filter((name) => name.endsWith('.crt'))
    .sort()
  writeFileSync(join(to, 'ca-certificates.crt'), names.map((name) => readFileSync(join(from, name), 'utf8')).join(''))
  for (const name of names) copyFileSync(join(from, name), join(to, name.replace(/\.crt$/, '.pem')))
  run('openssl', ['rehash', to])
}

/** Lays a file, or a folder's content, over what is there. */
function laid(from: string, to: string): void {
  if (statSync(from).isDirectory()) run('cp', ['-r', '--preserve=mode,links', `${from}/.`, to])
  else copyFileSync(from, to)
}

/** Beside the package's modules, of which they use two. Without their types already: to take those off costs a box seconds. */
function programs(to: string): void {
  mkdirSync(to)
  for (const name of readdirSync(GUEST)) {
    const text = stripTypeScriptTypes(readFileSync(join(GUEST, name), 'utf8'))
    writeFileSync(join(to, name.replace(/\.ts$/, '.js')), text.replaceAll(/(['"]\.\/\w+)\.ts(['"])/g, '$1.js$2'))
  }
}

function unpack(archive: Archive, made: string, root: string): void {
  const take = (name: string, ...paths: string[]): void => {
    const [deb] = archive.download(made, [name])
    const tree = join(made, 'one')
    run('dpkg-deb', ['-x', deb!, tree])
    for (const path of paths.length === 0 ? readdirSync(tree) : paths) {
      laid(join(tree, path), join(root, path))
    }
    rmSync(tree, { recursive: true })
    rmSync(deb!)
  }
  take(UNPACKED.certificates)
  certificates(root)
  take(UNPACKED.grubTools, 'usr/bin/grub-editenv')
  for (const name of UNPACKED.updater) take(name, 'usr')
}

/** No time, no chance, nothing of this machine: what else would differ between two builds. */
function settle(root: string): void {
  const gone = [
    'etc/hostname',
    'etc/resolv.conf',
    'etc/machine-id',
    'etc/shadow-',
    'etc/passwd-',
    'etc/group-',
    'etc/gshadow-',
    'var/lib/dbus/machine-id',
    'var/log/dpkg.log',
    'var/log/alternatives.log',
    'var/log/apt',
    'var/log/bootstrap.log',
    'var/cache/ldconfig/aux-cache',
    'var/cache/debconf',
    'var/lib/systemd/random-seed',
    'var/lib/systemd/catalog/database',
    'var/lib/dpkg/status-old',
    'var/lib/dpkg/lock',
    'var/lib/dpkg/lock-frontend',
    'var/lib/apt',
    'etc/.pwd.lock',
  ]
  for (const name of gone) rmSync(join(root, name), { recursive: true, force: true })
  for (const name of readdirSync(join(root, 'etc/ssh'))) {
    if (name.startsWith('ssh_host_')) rmSync(join(root, 'etc/ssh', name))
  }
  writeFileSync(join(root, 'etc/hostname'), 'fieldgate\n')
  writeFileSync(join(root, 'etc/machine-id'), '')
  // Nothing waits to be updated at a boot: what ConditionNeedsUpdate= compares is as old as /usr.
  for (const name of ['etc/.updated', 'var/.updated']) writeFileSync(join(root, name), '')
  writeFileSync(join(root, 'etc/hosts'), '127.0.0.1 localhost\n::1 localhost\n')
  run('ln', ['-sf', '../run/systemd/resolve/stub-resolv.conf', join(root, 'etc/resolv.conf')])
}

/** What Debian starts at each boot for machines of other kinds: on a slow processor it delays the first poll by seconds. */
const MASKED = {
  units: [
    'systemd-logind.service',
    'sshd-keygen.service',
    // The first boot's partitions are made before systemd; nothing here mounts by FUSE.
    'systemd-repart.service',
    'sys-fs-fuse-connections.mount',
    // No TPM is used.
    'systemd-tpm2-setup-early.service',
    'systemd-tpm2-setup.service',
    'systemd-pcrmachine.service',
  ],
  generators: [
    'systemd-gpt-auto-generator',
    'systemd-hibernate-resume-generator',
    'systemd-rc-local-generator',
    'systemd-run-generator',
    'systemd-ssh-generator',
    'systemd-system-update-generator',
    'systemd-sysv-generator',
    'systemd-tpm2-generator',
  ],
} as const

export function slot({ archive, root, kernel, deb, certificate }: Slot): string {
  const folder = step({
    name: 'slot',
    from: {
      root,
      kernel: kernel.folder,
      deb: hashOf(deb),
      certificate: hashOf(certificate),
      files: hashOf(FILES, GUEST),
      code: hashOf(import.meta.filename),
      unpacked: [UNPACKED.certificates, UNPACKED.grubTools, ...UNPACKED.updater].map((name) => archive.version(name)),
    },
    make: (made) => {
      const tree = join(made, 'root')
      mkdirSync(tree)
      run('tar', ['-xpf', root, '--numeric-owner', '-C', tree])
      unpack(archive, made, tree)
      mkdirSync(join(tree, 'usr/lib/modules'), { recursive: true })
      laid(join(kernel.folder, 'lib/modules'), join(tree, 'usr/lib/modules'))
      for (const name of ['data', 'gwconf']) mkdirSync(join(tree, name))
      laid(FILES, tree)
      copyFileSync(certificate, join(tree, 'etc/rauc/keyring.pem'))
      writeFileSync(join(tree, 'usr/lib/fieldgate-image/id'), `${basename(made).split('.')[0]}\n`)
      install(tree, deb)
      programs(join(tree, 'usr/lib/fieldgate/image'))
      run('rm', ['-rf', join(tree, 'etc/systemd/system')])
      mkdirSync(join(tree, 'etc/systemd/system'))
      run('chroot', [tree, 'systemctl', 'preset-all'])
      for (const unit of MASKED.units) run('ln', ['-sf', '/dev/null', join(tree, 'etc/systemd/system', unit)])
      mkdirSync(join(tree, 'etc/systemd/system-generators'), { recursive: true })
      for (const name of MASKED.generators)
        run('ln', ['-sf', '/dev/null', join(tree, 'etc/systemd/system-generators', name)])
      run('chroot', [tree, 'systemctl', 'set-default', 'multi-user.target'])
      settle(tree)
      run('mksquashfs', [
        tree,
        join(made, 'root.squashfs'),
        '-comp',
        'zstd',
        '-Xcompression-level',
        '15',
        '-b',
        '256K',
        '-all-time',
        String(EPOCH),
        '-mkfs-time',
        String(EPOCH),
        '-reproducible',
        '-no-xattrs',
        '-no-exports',
        '-quiet',
        '-no-progress',
      ])
      rmSync(tree, { recursive: true })
    },
  })
  return join(folder, 'root.squashfs')
}

function install(tree: string, deb: string): void {
  // The users' numbers first, so that an update finds on the data partition the owners that it left there.
  run('chroot', [tree, 'systemd-sysusers', 'fieldgate-image.conf'])
  copyFileSync(deb, join(tree, 'fieldgate.deb'))
  run('chroot', [tree, 'dpkg', '--install', '--force-confdef', '/fieldgate.deb'])
  rmSync(join(tree, 'fieldgate.deb'))
  if (!existsSync(join(tree, 'usr/bin/fieldgate'))) throw new Error('the package brought no /usr/bin/fieldgate')
}
