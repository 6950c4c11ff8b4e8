/** A serial port of the box. The library is loaded when the first port is opened: a gateway without one does without it. */
import type { SerialPort as NativePort } from 'serialport'
import { Retryable } from '../../src/contracts/errors.ts'
import type { LineFacts, LineSettings, SerialPort, Unsubscribe } from '../contract.ts'

/** `Reason.noConnection`: this folder knows the fault classes, not the batch. */
const NO_CONNECTION = 11

export class LinuxSerialPort implements SerialPort {
  readonly #name: string
  readonly #find: () => string
  readonly #data = new Set<(chunk: Uint8Array, atMonotonic: number) => void>()
  readonly #close = new Set<(why: string) => void>()
  readonly #monotonic: () => number
  #device: string
  #native: NativePort | undefined

  /** `find` gives the device file for the name, anew at each opening: an adapter may come back as another file. */
  constructor(options: { name: string; find: () => string; monotonic?: () => number }) {
    this.#name = options.name
    this.#find = options.find
    this.#monotonic = options.monotonic ?? (() => Number(process.hrtime.bigint()) / 1e6)
    this.#device = options.name
  }

  get facts(): LineFacts {
    return { device: this.#device, gatedTransmitter: undefined, echo: undefined, lowLatency: undefined }
  }

  async open(settings: LineSettings): Promise<void> {
    if (this.#native !== undefined) throw unavailable(`${this.#name} is open already`)
    const path = this.#find()
    this.#device = path
    const { SerialPort: Native } = await import('serialport')
    const native = new Native({ path, ...settings, autoOpen: false, lock: true })
    let fault: string | undefined
    native.on('error', (error: Error) => {
      fault = explain(error, this.#name, path)
    })
    await new Promise<void>((resolve, reject) => {
      native.open((error) => (error ? reject(unavailable(explain(error, this.#name, path), error)) : resolve()))
    })
    this.#native = native
    native.on('data', (chunk: Uint8Array) => {
      if (native !== this.#native) return
      const at = this.#monotonic()
      for (const listen of this.#data) listen(chunk, at)
    })
    native.on('close', (error: Error | null | undefined) => {
      if (native !== this.#native) return
      this.#native = undefined
      const why = error ? explain(error, this.#name, path) : (fault ?? `${this.#name} was closed`)
      for (const listen of this.#close) listen(why)
    })
  }

  write(frame: Uint8Array): Promise<void> {
    const native = this.#native
    return new Promise((resolve, reject) => {
      if (native === undefined) return reject(unavailable(`${this.#name} is not open`))
      const refuse = (error: Error): void => reject(unavailable(explain(error, this.#name, this.#device), error))
      const gone = (): void => reject(unavailable(`${this.#name} was unplugged`))
      native.once('close', gone)
      native.write(Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength), (error) => {
        if (error) {
          native.off('close', gone)
          return refuse(error)
        }
        native.drain((fault) => {
          native.off('close', gone)
          if (fault) refuse(fault)
          else resolve()
        })
      })
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
      native.flush((error) =>
        error ? reject(unavailable(explain(error, this.#name, this.#device), error)) : resolve(),
      )
    })
  }

  close(): Promise<void> {
    const native = this.#native
    this.#native = undefined
    if (native === undefined || !native.isOpen) return Promise.resolve()
    return new Promise((resolve) => {
      native.close(() => resolve())
    })
  }
}

export function unavailable(text: string, cause?: unknown): Retryable {
  return new Retryable(text, { reason: NO_CONNECTION, cause })
}

/** What the kernel said, as a sentence. */
function explain(error: Error, name: string, path: string): string {
  const where = name === path ? path : `${name} (${path})`
  const { message } = error
  if (/no such file|ENOENT|no such device|ENODEV|ENXIO/i.test(message)) {
    return `${where} is not there: is the adapter plugged in?`
  }
  if (/permission denied|EACCES/i.test(message))
    return `${where} may not be opened by this user: add it to group dialout`
  if (/lock|busy|EBUSY|temporarily unavailable/i.test(message)) return `${where} is in use by another program`
  if (/disconnected|input\/output|EIO|bad file descriptor/i.test(message)) return `${where} was unplugged or failed`
  return `${where}: ${message.replace(/^Error:?\s*/, '')}`
}
