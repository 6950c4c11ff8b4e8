/** Calls into the kernel that Node does not make itself, through koffi: ioctl. The library is loaded with the first call: a
 *  gateway that needs none does without it. Each call takes a microsecond or two; none that waits is made from here. */
import { createRequire } from 'node:module'
import { getSystemErrorName } from 'node:util'

/** What the kernel answered in place of what was asked for. */
export class KernelFault extends Error {
  /** `EBUSY`, `ENOTTY`, … */
  readonly code: string

  constructor(call: string, errno: number) {
    const code = getSystemErrorName(-errno)
    super(`${call}: ${code}`)
    this.name = 'KernelFault'
    this.code = code
  }
}

type Call = (fd: number, request: number | bigint, argument: Uint8Array | number | null) => number

let calls: { readonly byReference: Call; readonly byValue: Call; readonly errno: () => number } | undefined

function libc(): NonNullable<typeof calls> {
  if (calls !== undefined) return calls
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  const library = koffi.load(null)
  calls = {
    byReference: library.func('int ioctl(int fd, unsigned long request, _Inout_ void *argument)') as Call,
    byValue: library.func('int ioctl(int fd, unsigned long request, long argument)') as Call,
    errno: () => koffi.errno(),
  }
  return calls
}

/** What `ioctl` is: whoever calls it can be given another in a test. */
export type Ioctl = (fd: number, request: number, argument: Uint8Array | number) => number

/** `argument`: the structure, read and written in place, or the number itself. Returns what the call returned, 0 or more.
 *  Throws KernelFault. */
export function ioctl(fd: number, request: number, argument: Uint8Array | number): number {
  const { byReference, byValue, errno } = libc()
  const call = typeof argument === 'number' ? byValue : byReference
  const result = call(fd, request, argument)
  if (result < 0) throw new KernelFault(`ioctl 0x${request.toString(16)}`, errno())
  return result
}
