/** The update: a bundle that RAUC takes, signed; and the key that signs it. */
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CACHE, run } from '../step.ts'

export interface Key {
  readonly key: string
  readonly certificate: string
}

/** What `FIELDGATE_UPDATE_KEY` and `FIELDGATE_UPDATE_CERTIFICATE` name; or a key for development, made once on this machine. An image takes
 *  only what the certificate in it has signed: one that is made for customers is made with a key of its own. */
export function updateKey(): Key {
  const { FIELDGATE_UPDATE_KEY: key, FIELDGATE_UPDATE_CERTIFICATE: certificate } = process.env
  if (key !== undefined && certificate !== undefined) return { key, certificate }
  const folder = join(CACHE, 'keys')
  const made = { key: join(folder, 'development.key.pem'), certificate: join(folder, 'development.cert.pem') }
  if (!existsSync(made.certificate)) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const words = [
      '-x509',
      '-newkey',
      'rsa:3072',
      '-nodes',
      '-days',
      '7300',
      '-subj',
      '/O=Fieldgate/CN=development, not for customers',
    ]
    run('openssl', ['req', ...words, '-keyout', made.key, '-out', made.certificate])
  }
  return made
}

export interface Bundle {
  readonly key: Key
  readonly boot: string
  readonly squashfs: string
  readonly version: string
  readonly output: string
}

export function bundle({ key, boot, squashfs, version, output }: Bundle): void {
  const content = join(CACHE, 'bundle')
  rmSync(content, { recursive: true, force: true })
  mkdirSync(content, { recursive: true })
  copyFileSync(boot, join(content, 'boot.img'))
  copyFileSync(squashfs, join(content, 'root.img'))
  const manifest = [
    '[update]',
    'compatible=fieldgate-arm64',
    `version=${version}`,
    '',
    '[bundle]',
    'format=verity',
    '',
    '[image.boot]',
    'filename=boot.img',
    '',
    '[image.rootfs]',
    'filename=root.img',
  ]
  writeFileSync(join(content, 'manifest.raucm'), `${manifest.join('\n')}\n`)
  rmSync(output, { force: true })
  run('rauc', ['bundle', `--cert=${key.certificate}`, `--key=${key.key}`, content, output])
  rmSync(content, { recursive: true })
}
