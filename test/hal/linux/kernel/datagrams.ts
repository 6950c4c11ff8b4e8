/** Receives what is sent to a Unix datagram socket, which Node does not: systemd's part, and the journal's. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { socketAddress } from '../../../../hal/linux/kernel/datagram.ts'

const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
const libc = koffi.load(null)
const socket = libc.func('int socket(int domain, int type, int protocol)')
const bind = libc.func('int bind(int fd, const void *address, uint32_t length)')
const recv = libc.func('intptr_t recv(int fd, _Out_ void *bytes, size_t length, int flags)')
const close = libc.func('int close(int fd)')
const MSG_DONTWAIT = 0x40

export class Datagrams {
  readonly path: string
  readonly messages: string[] = []
  readonly #folder = mkdtempSync(join(tmpdir(), 'fieldgate-datagrams-'))
  readonly #fd: number
  readonly #bytes = Buffer.alloc(262_144)

  constructor(name = 'socket') {
    this.path = name.startsWith('@') ? name : join(this.#folder, name)
    this.#fd = socket(1, 2, 0) as number
    const address = socketAddress(this.path)
    if ((bind(this.#fd, address, address.length) as number) !== 0) throw new Error(`cannot bind ${this.path}`)
  }

  /** All that has come so far. */
  take(encoding: 'utf8' | 'latin1' = 'utf8'): readonly string[] {
    for (;;) {
      const length = Number(recv(this.#fd, this.#bytes, this.#bytes.length, MSG_DONTWAIT))
      if (length < 0) return this.messages
      this.messages.push(this.#bytes.toString(encoding, 0, length))
    }
  }

  close(): void {
    close(this.#fd)
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
