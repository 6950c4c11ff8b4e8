/** A socket in the shape of a serial port: RTU frames to a converter that has the real port. */
import { connect, type Socket } from 'node:net'
import type { LineFacts, SerialPort, Unsubscribe } from '../../../../hal/contract.ts'
import { Reason } from '../../../contracts/batch.ts'
import type { Clock } from '../../../contracts/clock.ts'
import { Retryable } from '../../../contracts/errors.ts'
import type { Hosts } from './hosts.ts'
import { socketFault } from './socket-fault.ts'

const CONNECT_MS = 3000

export class TcpPort implements SerialPort {
  readonly #hosts: Hosts
  readonly #clock: Clock
  readonly #data = new Set<(chunk: Uint8Array, atMonotonic: number) => void>()
  readonly #close = new Set<(why: string) => void>()
  #socket: Socket | undefined

  constructor(options: { hosts: Hosts; clock: Clock }) {
    this.#hosts = options.hosts
    this.#clock = options.clock
  }

  get facts(): LineFacts {
    return { device: this.#hosts.text, gatedTransmitter: undefined, echo: undefined, lowLatency: undefined }
  }

  open(): Promise<void> {
    const where = this.facts.device
    return new Promise((resolve, reject) => {
      const socket = connect({
        host: this.#hosts.host,
        port: this.#hosts.port,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: 10_000,
      })
      this.#socket = socket
      let fault: string | undefined
      const stop = this.#clock.after(CONNECT_MS, () => {
        fault = `${where} does not answer: is the device on, and the address right?`
        socket.destroy()
      })
      let opened = false
      socket.once('connect', () => {
        stop()
        opened = true
        this.#hosts.reached()
        resolve()
      })
      socket.on('data', (chunk) => {
        if (socket === this.#socket) for (const listen of this.#data) listen(chunk, this.#clock.monotonic())
      })
      socket.on('error', (error) => {
        fault ??= socketFault(error, where)
      })
      socket.once('close', () => {
        stop()
        if (socket === this.#socket) this.#hosts.fail()
        const why = fault ?? `${where} closed the connection`
        if (!opened) reject(new Retryable(why, { reason: Reason.noConnection }))
        if (socket !== this.#socket) return
        this.#socket = undefined
        if (opened) for (const listen of this.#close) listen(why)
      })
    })
  }

  write(frame: Uint8Array): Promise<void> {
    const socket = this.#socket
    return new Promise((resolve, reject) => {
      const refuse = (why: string): void => reject(new Retryable(why, { reason: Reason.noConnection }))
      if (socket === undefined) return refuse(`${this.facts.device} is not connected`)
      socket.write(frame, (error) => (error ? refuse(socketFault(error, this.facts.device)) : resolve()))
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

  close(): Promise<void> {
    const socket = this.#socket
    this.#socket = undefined
    if (socket === undefined || socket.destroyed) return Promise.resolve()
    return new Promise((resolve) => {
      socket.once('close', () => resolve())
      socket.destroy()
    })
  }
}
