/** Hears of a file descriptor that has something to read, through the event loop's own epoll: no thread waits for it, neither
 *  one of the pool's four nor one of our own. */
import { createRequire } from 'node:module'

/** `koffi.node.poll`: libuv's uv_poll. Its callback has libuv's status first, unlike its declaration. */
type Poll = (
  fd: number,
  events: { readonly readable: true },
  callback: (status: number) => void,
) => { stop(): void; close(): void; unref(): void }

/** `read` takes what is there; it returns false when nothing will ever come again. The descriptor becomes non-blocking. Keeps no
 *  process alive. */
export function whenReadable(fd: number, read: () => boolean): () => void {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  let open = true
  const stop = (): void => {
    if (!open) return
    open = false
    handle.stop()
    handle.close()
  }
  const handle = (koffi.node.poll as unknown as Poll)(fd, { readable: true }, (status) => {
    if (open && (status < 0 || !read())) stop()
  })
  handle.unref()
  return stop
}
