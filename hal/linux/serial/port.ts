/** A serial port of the box. The library is loaded when the first port is opened: a gateway without one does without it. */

import { realpathSync } from 'node:fs'
import type { SerialPort as NativePort } from 'serialport'
import type { LineFacts, LineSettings, Rs485Settings, SerialPort, Unsubscribe } from '../../contract.ts'
import { unavailable } from '../../fault.ts'
import { ioctl as call, type Ioctl } from '../kernel/kernel.ts'
import { explain, explainOpening, whereOf } from './fault.ts'
import { byteMsOf, type Gate, gateOf, type OpenLine } from './gate.ts'
import { bindingOf, hearHangup } from './hangup.ts'
import { type Holder, holderOf, suspectOf } from './holder.ts'
import { Leaving } from './leaving.ts'
import { lowerLatency } from './low-latency.ts'
import { writeFrame } from './writing.ts'

/** <asm-generic/ioctls.h>: nobody but root opens it any more. */
const TIOCEXCL = 0x540c

/** Who looked a moment ago does not look again: `connect: per-cycle` opens a port each second, and looking takes milliseconds. */
const LOOKED_MS = 5000

/** The devices that are open in this process, or about to be. */
const inUse = new Map<string, { readonly name: string }>()

export class LinuxSerialPort implements SerialPort {
  readonly #name: string
  readonly #find: () => string
  readonly #rs485: Rs485Settings | undefined
  readonly #openLine: OpenLine | undefined
  readonly #root: string
  readonly #ioctl: Ioctl
  readonly #data = new Set<(chunk: Uint8Array, atMonotonic: number) => void>()
  readonly #close = new Set<(why: string) => void>()
  readonly #monotonic: () => number
  #where: string
  /** Links followed. */
  #device = ''
  #facts: LineFacts
  #native: NativePort | undefined
  #gate: Gate | undefined
  #leaving: Leaving | undefined
  #byteMs = 0
  /** The device that was closed by us, and when. */
  #ours: { readonly device: string; readonly at: number } | undefined

  /** `find` gives the device file for the name, anew at each opening: an adapter may come back as another file. `rs485`: what
   *  the board says, for what a line's own settings leave open. `openLine`: the line of a GPIO chip that enables the driver. */
  constructor(options: {
    name: string
    find: () => string
    rs485?: Rs485Settings | undefined
    openLine?: OpenLine
    root?: string
    ioctl?: Ioctl
    monotonic?: () => number
  }) {
    this.#name = options.name
    this.#find = options.find
    this.#rs485 = options.rs485
    this.#openLine = options.openLine
    this.#root = options.root ?? '/'
    this.#ioctl = options.ioctl ?? call
    this.#monotonic = options.monotonic ?? (() => Number(process.hrtime.bigint()) / 1e6)
    this.#where = options.name
    this.#facts = factsOf(options.name)
  }

  get facts(): LineFacts {
    return this.#facts
  }

  async open(settings: LineSettings): Promise<void> {
    if (this.#native !== undefined) throw unavailable(`${this.#name} is open already`)
    const path = this.#find()
    this.#where = whereOf(this.#name, path)
    this.#facts = factsOf(path)
    const device = realPath(path)
    this.#device = device
    const claim = this.#claim(device)
    let native: NativePort | undefined
    try {
      // Opening it would change the settings of whoever has it.
      const recent = this.#ours?.device === device && this.#monotonic() - this.#ours.at < LOOKED_MS
      const holder = recent ? null : await holderOf(device, this.#root)
      if (holder !== null) throw this.#taken(holder)
      native = await this.#opened(settings, path, device)
      await this.#prepare(native, settings, device)
      if (!native.isOpen) throw unavailable(`${this.#where} was unplugged or failed`)
    } catch (thrown) {
      await this.#gate?.close(native?.isOpen !== true)
      this.#gate = undefined
      if (native !== undefined) await closed(native)
      claim.end()
      throw thrown
    }
    this.#listen(native, claim)
  }

  write(frame: Uint8Array): Promise<void> {
    const native = this.#native
    const leaving = this.#leaving
    if (native === undefined || leaving === undefined) {
      return Promise.reject(unavailable(`${this.#name} is not open`))
    }
    if (this.#gate?.send !== undefined) return this.#gate.send(frame)
    return writeFrame({
      native,
      frame,
      leaving,
      durationMs: frame.length * this.#byteMs,
      monotonic: this.#monotonic,
      isOpen: () => native === this.#native,
      name: this.#name,
      where: this.#where,
    })
  }

  onData(listen: (chunk: Uint8Array, atMonotonic: number) => void): Unsubscribe {
    this.#data.add(listen)
    return () => this.#data.delete(listen)
  }

  onClose(listen: (why: string) => void): Unsubscribe {
    this.#close.add(listen)
    return () => this.#close.delete(listen)
  }

  /** Nothing is under way when this is called, so that it does not matter that the output is flushed with the input. */
  flushInput(): Promise<void> {
    const native = this.#native
    return new Promise((resolve, reject) => {
      if (native === undefined) return resolve()
      native.flush((error) => (error ? reject(unavailable(explain(error, this.#where), error)) : resolve()))
    })
  }

  async close(): Promise<void> {
    const native = this.#native
    const gate = this.#gate
    this.#native = undefined
    this.#gate = undefined
    await gate?.close(native?.isOpen !== true)
    if (native === undefined) return
    await closed(native)
    this.#ours = { device: this.#device, at: this.#monotonic() }
  }

  /** Two connections of one gateway do not lock each other out. */
  #claim(device: string): { end(): void } {
    const other = inUse.get(device)
    if (other !== undefined) {
      const who = `another connection of this gateway (${other.name})`
      throw this.#taken({ who, remedy: 'give each connection a port of its own' })
    }
    const claim = { name: this.#name, end: () => inUse.get(device) === claim && inUse.delete(device) }
    inUse.set(device, claim)
    return claim
  }

  #taken({ who, remedy }: Pick<Holder, 'who' | 'remedy'>, cause?: Error): Error {
    return unavailable(`${this.#where} is in use by ${who}: ${remedy}`, cause)
  }

  async #opened(line: LineSettings, path: string, device: string): Promise<NativePort> {
    const { baudRate, dataBits, parity, stopBits } = line
    const { SerialPort: Native } = await import('serialport')
    const native = new Native({ path, baudRate, dataBits, parity, stopBits, autoOpen: false, lock: true })
    // One that fails before anybody listens is found closed.
    native.on('error', () => {})
    const error = await new Promise<Error | null>((resolve) => native.open(resolve))
    if (!error) {
      hearHangup(bindingOf(native))
      return native
    }
    const sentence = explainOpening(error, this.#where, device, this.#root)
    if (sentence !== null) throw unavailable(sentence, error)
    throw this.#taken((await holderOf(device, this.#root)) ?? suspectOf(device, this.#root), error)
  }

  /** Who switches the transmitter, and what else the kernel is told about an open port. */
  async #prepare(native: NativePort, settings: LineSettings, device: string): Promise<void> {
    const { fd } = bindingOf(native)
    if (fd === null) return
    this.#leaving = new Leaving(fd, this.#ioctl)
    this.#byteMs = byteMsOf(settings)
    this.#gate = await gateOf({
      fd,
      device,
      where: this.#where,
      settings,
      board: this.#rs485,
      ioctl: this.#ioctl,
      openLine: this.#openLine,
    })
    // A pseudo-terminal keeps the mark for ever, also after a crash.
    if (!device.startsWith('/dev/pts/')) tried(() => this.#ioctl(fd, TIOCEXCL, 0))
    const lowLatency = lowerLatency({ fd, device, ioctl: this.#ioctl, root: this.#root })
    this.#facts = { ...this.#facts, gatedTransmitter: this.#gate.gated, lowLatency }
  }

  #listen(native: NativePort, claim: { end(): void }): void {
    let fault: string | undefined
    native.on('error', (error: Error) => {
      fault = explain(error, this.#where)
    })
    this.#native = native
    native.on('data', (chunk: Uint8Array) => {
      if (native !== this.#native) return
      const at = this.#monotonic()
      for (const listen of this.#data) listen(chunk, at)
    })
    native.on('close', (error: Error | null | undefined) => {
      claim.end()
      if (native !== this.#native) return
      this.#native = undefined
      const gate = this.#gate
      this.#gate = undefined
      void gate?.close(true)
      const why = error ? explain(error, this.#where) : (fault ?? `${this.#name} was closed`)
      for (const listen of this.#close) listen(why)
    })
  }
}

function factsOf(device: string): LineFacts {
  return { device, gatedTransmitter: undefined, echo: undefined, lowLatency: undefined }
}

function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    // Opening says why.
    return path
  }
}

function closed(native: NativePort): Promise<void> {
  return new Promise((resolve) => {
    if (native.isOpen) native.close(() => resolve())
    else resolve()
  })
}

function tried(call: () => unknown): void {
  try {
    call()
  } catch {
    // The port is usable without it.
  }
}
