/** Small file systems of a test's own: ext4 in an image that is mounted as a loop, and memory. Root alone may mount. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

export interface SmallDisk {
  /** Where it is mounted. */
  readonly path: string
  /** Other bytes than the gateway's take what is left, to the last block; returns how many. */
  eat(): number
  giveBack(): void
  /** Nothing can be written any more, or can again. Nobody may have a file open for writing. */
  readOnly(is: boolean): void
  /** The kernel finds the file system inconsistent, and lets nothing be written any more. ext4 only. */
  break(): void
  /** What a technician does then: unmounts, checks, mounts. Nobody may have a file open. ext4 only. */
  repair(): void
  dispose(): void
}

function run(command: string, ...words: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, words, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${words.join(' ')}: ${stderr}`)
  return stdout
}

const mounted = new Set<string>()
// Whatever happens to the test.
process.on('exit', () => {
  for (const path of mounted) spawnSync('umount', ['-l', path])
})

/** Why this machine cannot mount; undefined: it can. */
export const mountless = ((): string | undefined => {
  if (process.getuid?.() !== 0) return 'only root may mount'
  if (!existsSync('/usr/sbin/mkfs.ext4')) return 'there is no mkfs.ext4'
  const folder = mkdtempSync(join(tmpdir(), 'fieldgate-mount-'))
  try {
    ext4(4, folder).dispose()
    return undefined
  } catch (thrown) {
    return String(thrown)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})()

export function ext4(mebibytes: number, folder: string): SmallDisk {
  const [image, path] = [join(folder, 'disk.img'), join(folder, 'disk')]
  mkdirSync(path, { recursive: true })
  writeFileSync(image, '')
  truncateSync(image, mebibytes * 2 ** 20)
  run('/usr/sbin/mkfs.ext4', '-q', '-m', '0', image)
  const mount = (): void => {
    run('mount', '-o', 'loop,errors=remount-ro', image, path)
    mounted.add(path)
  }
  mount()
  return {
    ...eating(path),
    break() {
      const device = basename(run('losetup', '-j', image).split(':')[0]!)
      writeFileSync(`/sys/fs/ext4/${device}/trigger_fs_error`, 'a test')
    },
    repair() {
      run('umount', path)
      mounted.delete(path)
      // 1: errors were corrected.
      const { status, stdout } = spawnSync('/usr/sbin/fsck.ext4', ['-p', image], { encoding: 'utf8' })
      if (status !== 0 && status !== 1) throw new Error(stdout)
      mount()
    },
    dispose: () => unmount(path),
  }
}

export function memory(mebibytes: number, folder: string): SmallDisk {
  const path = join(folder, 'memory')
  mkdirSync(path, { recursive: true })
  run('mount', '-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', path)
  mounted.add(path)
  const never = (): never => {
    throw new Error('memory does not break')
  }
  return { ...eating(path), break: never, repair: never, dispose: () => unmount(path) }
}

function unmount(path: string): void {
  if (!mounted.delete(path)) return
  if (spawnSync('umount', [path]).status !== 0) run('umount', '-l', path)
}

function eating(path: string): Pick<SmallDisk, 'path' | 'eat' | 'giveBack' | 'readOnly'> {
  const eaten = join(path, 'eaten')
  return {
    path,
    eat() {
      for (const size of ['1M', '4k']) spawnSync('sh', ['-c', `dd if=/dev/zero bs=${size} >> ${eaten} 2>/dev/null`])
      return readFileSync(eaten).length
    },
    giveBack: () => rmSync(eaten, { force: true }),
    readOnly: (is) => void run('mount', '-o', `remount,${is ? 'ro' : 'rw'}`, path),
  }
}
