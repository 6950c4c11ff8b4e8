/** Where a Unix socket stands in the file system: paths longer than the kernel takes, and what somebody left behind there. */
import { closeSync, lstatSync, openSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { basename, dirname } from 'node:path'

/** `sun_path` holds 108 bytes with the closing zero (unix(7)). */
const LONGEST_PATH = 107

/** A path that the kernel takes for as long as it is held: a long one leads through its folder's descriptor. */
export interface Place {
  readonly path: string
  release(): void
}

export function placeOf(path: string): Place {
  if (Buffer.byteLength(path) <= LONGEST_PATH) return { path, release: () => {} }
  let folder: number | undefined = openSync(dirname(path), 'r')
  const release = (): void => {
    if (folder !== undefined) closeSync(folder)
    folder = undefined
  }
  return { path: `/proc/self/fd/${folder}/${basename(path)}`, release }
}

export async function connecting(path: string): Promise<Socket> {
  const place = placeOf(path)
  try {
    return await new Promise((resolve, reject) => {
      const socket = connect(place.path)
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(socket)
      })
    })
  } finally {
    place.release()
  }
}

/** What is at the path: nothing, a socket that nobody serves any more, one that is served, or something else. */
export async function foundAt(path: string): Promise<'nothing' | 'stale' | 'served' | 'foreign'> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return 'nothing'
  if (!found.isSocket()) return 'foreign'
  try {
    ;(await connecting(path)).destroy()
    return 'served'
  } catch (thrown) {
    // Anything but a refusal (no rights, a full queue) comes from somebody who is there.
    return (thrown as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? 'stale' : 'served'
  }
}
