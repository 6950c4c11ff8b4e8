/** A device that went away while it was being read: the file then reads as empty for ever (`hung_up_tty_read` of the kernel's
 *  drivers/tty/tty_io.c), and serialport asks again for ever, deaf and at full speed. Empty is the end. */
import { read } from 'node:fs'
import { promisify } from 'node:util'
import type { SerialPort as NativePort } from 'serialport'

const readFile = promisify(read)

/** What of serialport's binding is used here. */
export interface Binding {
  readonly fd: number | null
  readonly poller: { once(event: 'readable', call: (error: Error | null) => void): void }
  read(buffer: Buffer, offset: number, length: number): Promise<{ buffer: Buffer; bytesRead: number }>
}

export function bindingOf(native: NativePort): Binding {
  return native.port as unknown as Binding
}

/** From now on such a port closes itself. */
export function hearHangup(binding: Binding): void {
  const instead: Binding['read'] = async (buffer, offset, length) => {
    while (binding.fd !== null) {
      try {
        const { bytesRead } = await readFile(binding.fd, buffer, offset, length, null)
        if (bytesRead === 0) throw failed('disconnected')
        return { buffer, bytesRead }
      } catch (thrown) {
        const { code } = thrown as NodeJS.ErrnoException
        if (code !== 'EAGAIN' && code !== 'EINTR') throw thrown
      }
      // Closed while it was read: the poller is gone, and must not be touched any more.
      if (binding.fd !== null) await readable(binding)
    }
    throw Object.assign(failed('closed'), { canceled: true })
  }
  binding.read = instead
}

function readable({ poller }: Binding): Promise<void> {
  return new Promise((resolve, reject) => {
    poller.once('readable', (error) => (error ? reject(error) : resolve()))
  })
}

/** Whatever is not marked `canceled`, serialport's stream takes for a disconnection. */
function failed(why: string): Error {
  return new RangeError(why)
}
