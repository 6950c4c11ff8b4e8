/** Datagrams to Unix sockets, which Node does not send: to systemd and to the journal. No call waits: what the receiver has no
 *  room for is given back as an error. */
import { createRequire } from 'node:module'
import { KernelFault } from './kernel.ts'

/** <bits/socket.h>, <bits/socket_type.h>; the same on x86-64 and arm64. */
const AF_UNIX = 1
const SOCK_DGRAM = 2
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000
/** `struct sockaddr_un` of <linux/un.h>: sa_family_t (2 bytes), then sun_path of 108. */
const PATH_AT = 2
const LONGEST_PATH = 108

export interface Datagram {
  /** One message. Throws KernelFault: `ENOENT` or `ECONNREFUSED` nobody is there, `EAGAIN` it is full, `EMSGSIZE` too large. */
  send(bytes: Uint8Array): void
  close(): void
}

interface Calls {
  readonly socket: (domain: number, type: number, protocol: number) => number
  readonly sendto: (
    fd: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    to: Uint8Array | null,
    toLength: number,
  ) => number | bigint
  readonly close: (fd: number) => number
  readonly errno: () => number
}

let calls: Calls | undefined

function libc(): Calls {
  if (calls !== undefined) return calls
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  const library = koffi.load(null)
  calls = {
    socket: library.func('int socket(int domain, int type, int protocol)') as Calls['socket'],
    sendto: library.func(
      'intptr_t sendto(int fd, const void *bytes, size_t length, int flags, const void *to, uint32_t to_length)',
    ) as Calls['sendto'],
    close: library.func('int close(int fd)') as Calls['close'],
    errno: () => koffi.errno(),
  }
  return calls
}

/** `path`: of the receiver, whether it is there or not; `@name` is one of the abstract namespace. Throws KernelFault. */
export function openDatagram(path: string): Datagram {
  const { socket, sendto, close, errno } = libc()
  const to = socketAddress(path)
  const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)
  if (fd < 0) throw new KernelFault('socket', errno())
  let open = true
  return {
    send: (bytes) => {
      const sent = sendto(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL, to, to.length)
      if (Number(sent) < 0) throw new KernelFault(`sendto ${path}`, errno())
    },
    close: () => {
      if (open) close(fd)
      open = false
    },
  }
}

/** To whom a stream socket is connected that was inherited; false: it takes nothing at this moment, or is no socket. */
export function sendNow(fd: number, bytes: Uint8Array): boolean {
  try {
    return Number(libc().sendto(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL, null, 0)) === bytes.length
  } catch {
    return false
  }
}

/** Throws KernelFault `ENAMETOOLONG`. */
export function socketAddress(path: string): Uint8Array {
  const name = Buffer.from(path)
  // unix(7): the name of an abstract socket begins with a zero and ends with the address; a path ends with a zero.
  const isAbstract = path.startsWith('@')
  if (isAbstract) name[0] = 0
  if (name.length + (isAbstract ? 0 : 1) > LONGEST_PATH) throw new KernelFault(`the socket ${path}`, ENAMETOOLONG)
  const address = Buffer.alloc(PATH_AT + name.length + (isAbstract ? 0 : 1))
  // In the byte order of the machine, which is little-endian on everything Node is built for.
  address.writeUInt16LE(AF_UNIX, 0)
  name.copy(address, PATH_AT)
  return address
}

/** <asm-generic/errno.h> */
const ENAMETOOLONG = 36
