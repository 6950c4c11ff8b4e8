/** A frame goes out through serialport, and is done when its last bit has left as far as the driver tells. */
import type { SerialPort as NativePort } from 'serialport'
import { unavailable } from '../../fault.ts'
import { explain } from './fault.ts'
import type { Leaving } from './leaving.ts'

/** How often it is looked whether a frame has left, once it should have. */
const LOOK_MS = 1
/** An adapter tells of its empty chip with its next status, some only with the next byte they hear: so long past its time, with
 *  nothing waiting in the kernel, the frame has left whatever the driver says. Two status intervals of FTDI's default. */
const SURELY_MS = 32
/** Past its time, before an adapter that keeps bytes back is given up. */
const PATIENCE_MS = 2000

/** Throws Retryable. `durationMs`: of the frame on the wire. `isOpen`: the port is still this one. */
export function writeFrame(options: {
  readonly native: NativePort
  readonly frame: Uint8Array
  readonly leaving: Leaving
  readonly durationMs: number
  readonly monotonic: () => number
  readonly isOpen: () => boolean
  /** For people. */
  readonly name: string
  readonly where: string
}): Promise<void> {
  const { native, frame, leaving, durationMs, monotonic, isOpen, name, where } = options
  return new Promise((resolve, reject) => {
    const due = monotonic() + durationMs
    let timer: NodeJS.Timeout | undefined
    const end = (fault?: Error): void => {
      clearTimeout(timer)
      native.off('close', gone)
      if (fault === undefined) resolve()
      else reject(fault)
    }
    const gone = (): void => end(unavailable(`${name} was unplugged`))
    const refuse = (error: Error): void => end(unavailable(explain(error, where), error))
    const look = (): void => {
      const late = monotonic() - due
      const queued = leaving.queued()
      if (queued === 0 && (late >= SURELY_MS || leaving.empty() !== false)) end()
      else if (late >= PATIENCE_MS) {
        const text = `${where} does not send what it was given (${queued} bytes wait): unplug it and plug it in again`
        end(unavailable(text))
      } else timer = setTimeout(tried, Math.max(LOOK_MS, -late))
    }
    const tried = (): void => {
      try {
        if (isOpen()) look()
        else gone()
      } catch (thrown) {
        refuse(thrown as Error)
      }
    }
    native.once('close', gone)
    const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength)
    native.write(bytes, (error) => (error ? refuse(error) : tried()))
  })
}
