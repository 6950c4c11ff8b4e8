/** A device that dials in, in the shape of a serial port: RTU frames over the connection it made. */
import type { Socket } from 'node:net'
import type { LineFacts, SerialPort, Unsubscribe } from '../../../../hal/contract.ts'
import { Reason } from '../../../contracts/batch.ts'
import type { Clock } from '../../../contracts/clock.ts'
import { Retryable } from '../../../contracts/errors.ts'
import type { Tally } from '../tally.ts'
import { DialIn, type ListenAddress } from './dial-in.ts'
import { socketFault } from './socket-fault.ts'

export class DialInPort implements SerialPort {
  readonly #clock: Clock
  readonly #tally: Tally
  readonly #dialIn: DialIn
  readonly #data = new Set<(chunk: Uint8Array, atMonotonic: number) => void>()
  readonly #close = new Set<(why: string) => void>()
  #socket: Socket | undefined
  #caller = ''
  #open = false

  constructor(options: { address: ListenAddress; clock: Clock; tally: Tally }) {
    const { address, clock, tally } = options
    this.#clock = clock
    this.#tally = tally
    this.#dialIn = new DialIn({ address, called: (socket) => this.#called(socket) })
  }

  get facts(): LineFacts {
    const device =
      this.#socket === undefined ? this.#dialIn.text : `${this.#caller}, dialled in on ${this.#dialIn.text},`
    return { device, gatedTransmitter: undefined, echo: undefined, lowLatency: undefined }
  }

  /** Throws Retryable while nobody has dialled in; whoever does meanwhile is kept for the next attempt. */
  async open(): Promise<void> {
    await this.#dialIn.open()
    if (this.#socket === undefined) throw new Retryable(this.#dialIn.waiting, { reason: Reason.noConnection })
    this.#open = true
  }

  #called(socket: Socket): void {
    const before = this.#socket
    this.#socket = socket
    this.#caller = socket.remoteAddress ?? 'somebody'
    let fault: Error | undefined
    socket.on('error', (error) => (fault = error))
    socket.on('data', (chunk) => {
      if (socket === this.#socket) for (const listen of this.#data) listen(chunk, this.#clock.monotonic())
    })
    const where = this.#caller
    socket.once('close', () => {
      if (socket !== this.#socket) return
      this.#socket = undefined
      this.#lost(fault === undefined ? `${where} hung up` : socketFault(fault, where))
    })
    if (before === undefined) return
    this.#tally.replacedCalls++
    before.destroy()
    this.#lost('the device dialled in anew')
  }

  #lost(why: string): void {
    if (!this.#open) return
    this.#open = false
    for (const listen of this.#close) listen(why)
  }

  write(frame: Uint8Array): Promise<void> {
    const socket = this.#socket
    return new Promise((resolve, reject) => {
      const refuse = (why: string): void => reject(new Retryable(why, { reason: Reason.noConnection }))
      if (socket === undefined) return refuse(this.#dialIn.waiting)
      socket.write(frame, (error) => (error ? refuse(socketFault(error, this.#caller)) : resolve()))
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

  /** Bytes in transit are out of reach: that is why a timeout closes the connection. */
  async flushInput(): Promise<void> {}

  /** Hangs up. Whoever dialled in since then is the next. */
  async close(): Promise<void> {
    const inUse = this.#open
    this.#open = false
    if (!inUse) return
    const socket = this.#socket
    this.#socket = undefined
    socket?.destroy()
  }

  /** Nobody is waited for any more. */
  async end(): Promise<void> {
    this.#open = false
    const socket = this.#socket
    this.#socket = undefined
    socket?.destroy()
    await this.#dialIn.close()
  }
}
