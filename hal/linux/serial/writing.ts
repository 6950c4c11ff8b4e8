/** A frame goes out through serialport, and is done when its last bit has left as far as the driver tells. */
import type { SerialPort as NativePort } from 'serialport'
import { explain, unavailable } from './fault.ts'
import type { Leaving } from './leaving.ts'

/** How often it is looked whether a frame has left, once it should have. */
const LOOK_MS = 1

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
      if (!isOpen()) gone()
      else if (leaving.queued() === 0 && leaving.empty() !== false) end()
      else timer = setTimeout(tried, Math.max(LOOK_MS, due - monotonic()))
    }
    const tried = (): void => {
      try {
        look()
      } catch (thrown) {
        refuse(thrown as Error)
      }
    }
    native.once('close', gone)
    const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength)
    native.write(bytes, (error) => (error ? refuse(error) : tried()))
  })
}
