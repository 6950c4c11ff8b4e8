/** GPIO chips that answer the kernel's ioctls byte by byte, below a temporary root. A line's file descriptor is one end of a socket
 *  pair, so that waiting for edges and reading them is real. */
import { mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as gpio from '../../../../hal/linux/gpio/structures.ts'
import { KernelFault } from '../../../../hal/linux/kernel/kernel.ts'

const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
const libc = koffi.load(null)
const socketpair = libc.func('int socketpair(int family, int type, int protocol, _Out_ int *ends)')
const close = libc.func('int close(int fd)')
const AF_UNIX = 1
const SOCK_SEQPACKET = 5
const [EBUSY, ENODEV, EINVAL, ENOTTY] = [16, 19, 22, 25]

interface Line {
  readonly name: string
  consumer: string
  flags: number
  active: boolean
  debounceUs: number | undefined
  /** Our end, the file descriptor that was given away, and what that one is: a number may come back as another file. */
  held: { readonly ours: number; readonly theirs: number; readonly link: string } | undefined
}

const link = (fd: number): string => {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return ''
  }
}

export class Chips {
  readonly root = mkdtempSync(join(tmpdir(), 'fieldgate-chips-'))
  /** Before 5.10 lines were not given by version 2. */
  old = false
  unplugged = false
  readonly #chips = new Map<
    string,
    { readonly name: string; readonly label: string; readonly lines: readonly Line[] }
  >()

  constructor(chips: readonly { readonly label: string; readonly lines: readonly string[] }[]) {
    mkdirSync(join(this.root, 'dev'))
    for (const [index, { label, lines }] of chips.entries()) {
      const path = join(this.root, `dev/gpiochip${index}`)
      writeFileSync(path, '')
      const free = { consumer: '', flags: gpio.LineFlag.input, active: false, debounceUs: undefined, held: undefined }
      this.#chips.set(path, { name: `gpiochip${index}`, label, lines: lines.map((name) => ({ name, ...free })) })
    }
  }

  line(offset: number, chip = 0): Line {
    return [...this.#chips.values()][chip]!.lines[offset]!
  }

  isHeld(offset: number): boolean {
    const { held } = this.line(offset)
    return held !== undefined && link(held.theirs) === held.link
  }

  /** The input changes, and the kernel tells of it. `at`: milliseconds of CLOCK_MONOTONIC. */
  edge(offset: number, active: boolean, at: number): void {
    const line = this.line(offset)
    line.active = active
    const event = new DataView(new ArrayBuffer(gpio.LINE_EVENT_BYTES))
    event.setBigUint64(0, BigInt(Math.round(at * 1e6)), true)
    event.setUint32(8, active ? 1 : 2, true)
    writeSync(line.held!.ours, new Uint8Array(event.buffer))
  }

  readonly ioctl = (fd: number, request: number, argument: Uint8Array | number): number => {
    const bytes = argument as Uint8Array
    const fields = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const path = link(fd)
    const fail = (errno: number): never => {
      throw new KernelFault('ioctl', errno)
    }
    if (this.unplugged) fail(ENODEV)
    const chip = this.#chips.get(path)
    if (chip === undefined) {
      const line = [...this.#chips.values()]
        .flatMap(({ lines }) => lines)
        .find(({ held }) => held?.theirs === fd && held.link === path)
      if (line === undefined) return fail(ENOTTY)
      if (request === gpio.GPIO_V2_LINE_SET_VALUES_IOCTL) line.active = gpio.decodeLineValue(bytes)
      else if (request === gpio.GPIO_V2_LINE_GET_VALUES_IOCTL) fields.setUint32(0, line.active ? 1 : 0, true)
      else if (request === gpio.GPIO_V2_LINE_SET_CONFIG_IOCTL) line.flags = Number(fields.getBigUint64(0, true))
      else fail(EINVAL)
      return 0
    }
    if (request === gpio.GPIO_GET_CHIPINFO_IOCTL) {
      bytes.set(Buffer.from(chip.name), 0)
      bytes.set(Buffer.from(chip.label), 32)
      fields.setUint32(64, chip.lines.length, true)
      return 0
    }
    if (this.old) return fail(EINVAL)
    if (request === gpio.GPIO_V2_GET_LINEINFO_IOCTL) {
      const line = chip.lines[fields.getUint32(64, true)] ?? fail(EINVAL)
      bytes.set(Buffer.from(line.name), 0)
      bytes.set(Buffer.from(line.consumer), 32)
      fields.setBigUint64(72, BigInt(line.flags), true)
      return 0
    }
    if (request !== gpio.GPIO_V2_GET_LINE_IOCTL) return fail(ENOTTY)
    const line = chip.lines[fields.getUint32(0, true)] ?? fail(EINVAL)
    if ((line.flags & gpio.LineFlag.used) !== 0) return fail(EBUSY)
    line.consumer = Buffer.from(bytes.subarray(256, 256 + 32))
      .toString()
      .replace(/\0.*/s, '')
    line.flags = Number(fields.getBigUint64(288, true))
    for (let index = 0; index < fields.getUint32(296, true); index += 1) {
      const at = 320 + index * 24
      if (fields.getUint32(at, true) === 2) line.active = fields.getUint32(at + 8, true) === 1
      if (fields.getUint32(at, true) === 3) line.debounceUs = fields.getUint32(at + 8, true)
    }
    const ends = [0, 0]
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends)
    line.held = { ours: ends[0]!, theirs: ends[1]!, link: link(ends[1]!) }
    fields.setInt32(588, ends[1]!, true)
    return 0
  }

  close(): void {
    for (const { lines } of this.#chips.values()) for (const { held } of lines) if (held) close(held.ours)
    rmSync(this.root, { recursive: true })
  }
}
