/** Whether what a process prints goes to the journal. */
import { fstatSync } from 'node:fs'

/** systemd.exec(5): device and inode of what stdout and stderr were connected to. It may have been redirected since. */
export function isJournal(fd: number, stream: string | undefined): boolean {
  if (stream === undefined) return false
  try {
    const { dev, ino } = fstatSync(fd)
    return stream === `${dev}:${ino}`
  } catch {
    return false
  }
}
