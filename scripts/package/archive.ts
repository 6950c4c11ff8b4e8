/** A folder as a .deb, the same bytes each time. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, lstatSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { filesIn } from './files.ts'

interface ArchiveOptions {
  /** With `DEBIAN/` in it, which is completed. */
  readonly tree: string
  readonly file: string
  /** Seconds: nothing in it is newer. */
  readonly epoch: number
  /** Compressed for speed, not for size. */
  readonly fast: boolean
}

export function archive({ tree, file, epoch, fast }: ArchiveOptions): void {
  writeFileSync(join(tree, 'DEBIAN/md5sums'), sums(tree))
  const executable = /^(DEBIAN\/(pre|post)(inst|rm)|usr\/bin\/.*|usr\/lib\/fieldgate\/(bin\/.*|setup|factory-reset))$/
  for (const path of filesIn(tree)) {
    if (lstatSync(join(tree, path)).isSymbolicLink()) continue
    chmodSync(join(tree, path), executable.test(path) ? 0o755 : 0o644)
    utimesSync(join(tree, path), epoch, epoch)
  }
  // The order of names, the owners and the times are fixed by dpkg-deb; one thread, for more cut the stream by their number.
  const compression = fast ? ['-Zgzip', '-z1'] : ['-Zxz', '-z6', '--threads-max=1']
  rmSync(file, { force: true })
  execFileSync('dpkg-deb', ['--root-owner-group', ...compression, '--build', tree, file], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch), LC_ALL: 'C' },
  })
}

function sums(tree: string): string {
  return filesIn(tree)
    .filter((path) => !path.startsWith('DEBIAN/') && lstatSync(join(tree, path)).isFile())
    .map(
      (path) =>
        `${createHash('md5')
          .update(readFileSync(join(tree, path)))
          .digest('hex')}  ${path}\n`,
    )
    .join('')
}
