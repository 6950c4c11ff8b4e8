/** A disk with a volatile write cache, as a network block device for QEMU: what was written is on the medium only after a flush.
 *  When the power is cut, an arbitrary part of the rest is, in any order and block by block: killing QEMU alone would lose
 *  nothing, the host's own cache keeps every write.
 *  Protocol: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md, fixed newstyle, simple replies. */
import { type FileHandle, open } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { seeded } from '../../hal/simulated/random.ts'

const BLOCK = 4096
/** Above this the oldest blocks are put on the medium, as a drive does whose cache is full. */
const CACHE_BLOCKS = 16_384

const INIT = { password: 0x4e42444d41474943n, option: 0x49484156454f5054n, reply: 0x0003e889045565a9n } as const
const Option = { exportName: 1, abort: 2, info: 6, go: 7 } as const
const Reply = { ack: 1, info: 3, unsupported: 0x80000001 } as const
const Command = { read: 0, write: 1, disconnect: 2, flush: 3, trim: 4, zeroes: 6 } as const
/** HAS_FLAGS, SEND_FLUSH, SEND_FUA. */
const FLAGS = 1 | 4 | 8
const FUA = 1
const REQUEST = 0x25609513
const SIMPLE_REPLY = 0x67446698

export class VolatileDisk {
  readonly path: string
  readonly #medium: FileHandle
  readonly #bytes: number
  readonly #server: Server
  readonly #random: () => number
  /** Block number to what it holds, oldest first. */
  readonly #cache = new Map<number, Buffer>()
  #socket: Socket | undefined
  #work: Promise<void> = Promise.resolve()
  #cut = false
  readonly counts = { writes: 0, flushes: 0, cuts: 0, blocksLost: 0, blocksKept: 0 }

  /** `image`: the medium; changed in place. `path`: of the socket that QEMU connects to. */
  static async on(options: { image: string; path: string; seed: number }): Promise<VolatileDisk> {
    const medium = await open(options.image, 'r+')
    const { size } = await medium.stat()
    const disk = new VolatileDisk(medium, size, options)
    await new Promise<void>((resolve, reject) => {
      disk.#server.once('error', reject).listen(options.path, resolve)
    })
    return disk
  }

  private constructor(medium: FileHandle, bytes: number, { path, seed }: { path: string; seed: number }) {
    this.path = path
    this.#medium = medium
    this.#bytes = bytes
    this.#random = seeded(seed)
    this.#server = createServer((socket) => {
      this.#socket?.destroy()
      this.#socket = socket
      this.#cut = false
      socket.on('error', () => socket.destroy())
      void this.#serve(socket).catch(() => socket.destroy())
    })
  }

  /** The power is gone: of what was not flushed, some blocks are on the medium and the others never will be. */
  async cut(): Promise<void> {
    this.#cut = true
    this.#socket?.destroy()
    await this.#work
    const kept = this.#random()
    this.counts.cuts++
    for (const [block, bytes] of this.#cache) {
      if (this.#random() < kept) {
        await this.#medium.write(bytes, 0, bytes.length, block * BLOCK)
        this.counts.blocksKept++
      } else this.counts.blocksLost++
    }
    this.#cache.clear()
  }

  /** QEMU went in good order. */
  async settle(): Promise<void> {
    await this.#work
    await this.#flush()
  }

  async stop(): Promise<void> {
    this.#socket?.destroy()
    await this.#work
    await new Promise((resolve) => this.#server.close(resolve))
    await this.#medium.close()
  }

  async #serve(socket: Socket): Promise<void> {
    const bytes = reader(socket)
    await this.#negotiate(socket, bytes)
    for (;;) {
      const head = await bytes(28)
      if (head.readUInt32BE(0) !== REQUEST) throw new Error('not a request')
      const [flags, type] = [head.readUInt16BE(4), head.readUInt16BE(6)]
      const [offset, length] = [Number(head.readBigUInt64BE(16)), head.readUInt32BE(24)]
      if (type === Command.disconnect) return void socket.end()
      const payload = type === Command.write ? Buffer.from(await bytes(length)) : undefined
      const work = this.#work.then(async () => {
        if (this.#cut) return
        const answer = await this.#carryOut(type, { flags, offset, length, payload })
        if (this.#cut) return
        const reply = Buffer.alloc(16)
        reply.writeUInt32BE(SIMPLE_REPLY, 0)
        head.copy(reply, 8, 8, 16)
        socket.write(answer === undefined ? reply : Buffer.concat([reply, answer]))
      })
      this.#work = work.catch(() => socket.destroy()) as Promise<void>
    }
  }

  async #negotiate(socket: Socket, bytes: (count: number) => Promise<Buffer>): Promise<void> {
    const hello = Buffer.alloc(18)
    hello.writeBigUInt64BE(INIT.password, 0)
    hello.writeBigUInt64BE(INIT.option, 8)
    hello.writeUInt16BE(1 | 2, 16)
    socket.write(hello)
    await bytes(4)
    for (;;) {
      const head = await bytes(16)
      const option = head.readUInt32BE(8)
      await bytes(head.readUInt32BE(12))
      const reply = (type: number, body = Buffer.alloc(0)): void => {
        const answer = Buffer.alloc(20)
        answer.writeBigUInt64BE(INIT.reply, 0)
        answer.writeUInt32BE(option, 8)
        answer.writeUInt32BE(type, 12)
        answer.writeUInt32BE(body.length, 16)
        socket.write(Buffer.concat([answer, body]))
      }
      const size = Buffer.alloc(10)
      size.writeBigUInt64BE(BigInt(this.#bytes), 0)
      size.writeUInt16BE(FLAGS, 8)
      if (option === Option.exportName) return void socket.write(size)
      if (option === Option.abort) {
        reply(Reply.ack)
        throw new Error('the client left')
      }
      if (option !== Option.go && option !== Option.info) {
        reply(Reply.unsupported)
        continue
      }
      reply(Reply.info, Buffer.concat([Buffer.from([0, 0]), size]))
      reply(Reply.ack)
      if (option === Option.go) return
    }
  }

  async #carryOut(
    type: number,
    request: { flags: number; offset: number; length: number; payload: Buffer | undefined },
  ): Promise<Buffer | undefined> {
    const { flags, offset, length, payload } = request
    if (type === Command.read) return this.#read(offset, length)
    if (type === Command.flush) {
      this.counts.flushes++
      await this.#flush()
    } else if (type === Command.write) {
      this.counts.writes++
      const blocks = await this.#write(offset, payload!)
      // Forced unit access is for these blocks only.
      if ((flags & FUA) !== 0) for (const block of blocks) await this.#put(block)
    }
    return undefined
  }

  async #read(offset: number, length: number): Promise<Buffer> {
    const bytes = Buffer.alloc(length)
    await this.#medium.read(bytes, 0, length, offset)
    for (let block = Math.floor(offset / BLOCK); block * BLOCK < offset + length; block++) {
      const cached = this.#cache.get(block)
      if (cached === undefined) continue
      const from = Math.max(offset, block * BLOCK)
      const to = Math.min(offset + length, (block + 1) * BLOCK)
      cached.copy(bytes, from - offset, from - block * BLOCK, to - block * BLOCK)
    }
    return bytes
  }

  async #write(offset: number, bytes: Buffer): Promise<readonly number[]> {
    const blocks: number[] = []
    for (let block = Math.floor(offset / BLOCK); block * BLOCK < offset + bytes.length; block++) {
      const from = Math.max(offset, block * BLOCK)
      const to = Math.min(offset + bytes.length, (block + 1) * BLOCK)
      let cached = this.#cache.get(block)
      if (cached === undefined) {
        cached = Buffer.alloc(BLOCK)
        if (to - from < BLOCK) await this.#medium.read(cached, 0, BLOCK, block * BLOCK)
        this.#cache.set(block, cached)
      }
      bytes.copy(cached, from - block * BLOCK, from - offset, to - offset)
      blocks.push(block)
    }
    while (this.#cache.size > CACHE_BLOCKS) await this.#put(this.#cache.keys().next().value!)
    return blocks
  }

  async #flush(): Promise<void> {
    for (const block of [...this.#cache.keys()]) await this.#put(block)
  }

  async #put(block: number): Promise<void> {
    const bytes = this.#cache.get(block)
    if (bytes === undefined) return
    await this.#medium.write(bytes, 0, Math.min(BLOCK, this.#bytes - block * BLOCK), block * BLOCK)
    this.#cache.delete(block)
  }
}

/** Gives so many bytes of the socket, when they are there. */
function reader(socket: Socket): (count: number) => Promise<Buffer> {
  let held: Buffer = Buffer.alloc(0)
  let wake: (() => void) | undefined
  let gone = false
  socket.on('data', (chunk: Buffer) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    wake?.()
  })
  socket.on('close', () => {
    gone = true
    wake?.()
  })
  return async (count) => {
    while (held.length < count) {
      if (gone) throw new Error('the client left')
      await new Promise<void>((resolve) => {
        wake = resolve
      })
      wake = undefined
    }
    const taken = held.subarray(0, count)
    held = held.subarray(count)
    return taken
  }
}
