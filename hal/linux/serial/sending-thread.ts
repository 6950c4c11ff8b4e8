/** The thread that sends over one port and switches its transmitter: nothing that keeps the event loop busy makes the
 *  transmitter stay on over the beginning of an answer. What stays is the scheduler's: about 0.1 ms on a quiet box, more where
 *  others want the processor. Only the kernel (mode kernel) or the chip itself is exact. */
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { ioctl } from '../kernel/kernel.ts'
import { Leaving } from './leaving.ts'
import { type Pace, sendFrame, type Transmitter } from './sending.ts'

export interface ThreadSettings {
  readonly device: string
  readonly enable: Switch
  readonly pace: Pace
}

/** The one call that switches, with what it is given to switch on and off. */
export interface Switch {
  readonly fd: number
  readonly request: number
  readonly on: Uint8Array
  readonly off: Uint8Array
}

/** `sent`: the frame has left. Otherwise what the kernel said. */
export type ThreadAnswer = { readonly sent: true } | { readonly fault: string } | { readonly ready: true }

if (parentPort !== null) {
  const { device, enable, pace } = workerData as ThreadSettings
  const port = parentPort
  // A file of its own: the number of the other may belong to something else by the time a frame is written.
  const fd = openSync(device, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK)
  const transmitter = transmitterOf(fd, enable)
  transmitter.off()
  port.on('message', (frame: Uint8Array | null) => {
    if (frame === null) {
      closeSync(fd)
      port.close()
      return
    }
    port.postMessage(send(frame, pace, transmitter))
  })
  port.postMessage({ ready: true } satisfies ThreadAnswer)
}

function send(frame: Uint8Array, pace: Pace, transmitter: Transmitter): ThreadAnswer {
  try {
    return sendFrame(frame, pace, transmitter) ? { sent: true } : { fault: 'the chip does not send what it was given' }
  } catch (thrown) {
    return { fault: (thrown as Error).message }
  }
}

function transmitterOf(fd: number, enable: Switch): Transmitter {
  const leaving = new Leaving(fd, ioctl)
  const never = new Int32Array(new SharedArrayBuffer(4))
  return {
    on: () => void ioctl(enable.fd, enable.request, enable.on.slice()),
    off: () => void ioctl(enable.fd, enable.request, enable.off.slice()),
    write(frame) {
      try {
        return writeSync(fd, frame)
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code === 'EAGAIN') return 0
        throw thrown
      }
    },
    queued: () => leaving.queued(),
    empty: () => leaving.empty(),
    now: () => Number(process.hrtime.bigint()) / 1e6,
    sleep: (ms) => void Atomics.wait(never, 0, 0, ms),
  }
}
