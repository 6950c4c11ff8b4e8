/** One frame, with the transmitter switched on before it and off behind it. Without I/O and without a clock of its own. */

/** What is done to the hardware. Each call takes microseconds, but for `sleep`. */
export interface Transmitter {
  on(): void
  off(): void
  /** How many bytes were taken, 0 when the buffer is full. */
  write(bytes: Uint8Array): number
  /** Bytes that wait in the kernel. */
  queued(): number
  /** Whether the last bit has left the chip; undefined: the driver does not tell. */
  empty(): boolean | undefined
  now(): number
  sleep(ms: number): void
}

export interface Pace {
  /** One character on the wire, start and stop bits included. */
  readonly byteMs: number
  readonly delayBeforeMs: number
  readonly delayAfterMs: number
}

/** How often it is looked whether the last bit has left: so much later than it the transmitter goes off. */
const LOOK_MS = 0.1
/** Past its time, before a chip that holds bytes back is given up. */
const PATIENCE_MS = 500

/** Whether the frame left. The transmitter is off afterwards in any case, also when something throws: a bus with a
 *  transmitter left on is dead for everybody. */
export function sendFrame(frame: Uint8Array, pace: Pace, transmitter: Transmitter): boolean {
  const { byteMs, delayBeforeMs, delayAfterMs } = pace
  transmitter.on()
  try {
    if (delayBeforeMs > 0) transmitter.sleep(delayBeforeMs)
    const due = transmitter.now() + frame.length * byteMs
    const end = due + PATIENCE_MS
    for (let at = 0; at < frame.length; ) {
      const taken = transmitter.write(frame.subarray(at))
      at += taken
      if (taken === 0 && transmitter.now() > end) return false
      if (taken === 0) transmitter.sleep(byteMs)
    }
    const early = due - transmitter.now()
    if (early > 0) transmitter.sleep(early)
    while (!left(transmitter, due + byteMs)) {
      if (transmitter.now() > end) return false
      transmitter.sleep(LOOK_MS)
    }
    if (delayAfterMs > 0) transmitter.sleep(delayAfterMs)
    return true
  } finally {
    transmitter.off()
  }
}

/** A driver that does not tell is given the time of one character more: a USB chip begins a little late. */
function left(transmitter: Transmitter, surely: number): boolean {
  return transmitter.queued() === 0 && (transmitter.empty() ?? transmitter.now() >= surely)
}
