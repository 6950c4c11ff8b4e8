/** The board as the service sees it. Refined by hardware issues; the spine needs the serial port. */

export type Unsubscribe = () => void

export interface LineSettings {
  readonly baudRate: number
  readonly dataBits: 7 | 8
  readonly parity: 'none' | 'even' | 'odd'
  readonly stopBits: 1 | 2
}

/** What is known of a port's hardware. */
export interface LineFacts {
  /** The device file or other name that was opened. */
  readonly device: string
  readonly gatedTransmitter: boolean | undefined
  readonly echo: boolean | undefined
  readonly lowLatency: boolean | undefined
}

/** A half-duplex line. Unplugged or failing: `onClose` listeners hear it once, with the reason; `open` may be called again. */
export interface SerialPort {
  /** Throws Retryable when the port is not there or busy. */
  open(settings: LineSettings): Promise<void>
  /** Resolves once the frame has left (after drain). Throws Retryable. */
  write(frame: Uint8Array): Promise<void>
  onData(listen: (chunk: Uint8Array, atMonotonic: number) => void): Unsubscribe
  onClose(listen: (why: string) => void): Unsubscribe
  /** Drops what has arrived and was not yet given to a listener, kernel buffer included. */
  flushInput(): Promise<void>
  close(): Promise<void>
  readonly facts: LineFacts
}

export interface Board {
  readonly name: string
  /** By the board's name for it (`rs485-1`), a device path, or a stable `/dev/serial/by-id` name. */
  serial(name: string): SerialPort
}
