/** A port that speaks Modbus ASCII and is used like one that speaks RTU: the line above it keeps one set of rules about late
 *  answers, foreign units, echoes and other masters. */
import type { LineFacts, LineSettings, SerialPort, Unsubscribe } from '../../../../hal/contract.ts'
import { AsciiDecoder, encodeAscii } from '../frames/ascii-frame.ts'
import { crc16 } from '../frames/crc.ts'

/** Stands for a character that belongs to no frame: a function that nobody has, so that no frame is found in it. */
const GARBAGE = 0xff
const NOTHING = new Uint8Array(0)

export class AsciiPort implements SerialPort {
  readonly #port: SerialPort

  constructor(port: SerialPort) {
    this.#port = port
  }

  get facts(): LineFacts {
    return this.#port.facts
  }

  open(settings: LineSettings): Promise<void> {
    return this.#port.open(settings)
  }

  /** `frame`: as on an RTU line. */
  write(frame: Uint8Array): Promise<void> {
    return this.#port.write(encodeAscii(frame.subarray(0, frame.length - 2)))
  }

  /** Frames come whole; while one is on its way, that there was something. */
  onData(listen: (chunk: Uint8Array, atMonotonic: number) => void): Unsubscribe {
    let parts: Uint8Array[] = []
    const decoder = new AsciiDecoder({
      frame: (body, sound) => parts.push(rtuFrame(body, sound)),
      garbage: (characters) => parts.push(new Uint8Array(characters).fill(GARBAGE)),
    })
    const forget = this.#port.onClose(() => decoder.drop())
    const unsubscribe = this.#port.onData((chunk, at) => {
      decoder.hear(chunk, at)
      const heard = parts
      parts = []
      listen(heard.length === 0 ? NOTHING : Buffer.concat(heard), at)
    })
    return () => {
      forget()
      unsubscribe()
    }
  }

  onClose(listen: (why: string) => void): Unsubscribe {
    return this.#port.onClose(listen)
  }

  flushInput(): Promise<void> {
    return this.#port.flushInput()
  }

  close(): Promise<void> {
    return this.#port.close()
  }
}

/** A frame whose LRC does not hold is one whose CRC does not. */
function rtuFrame(body: Uint8Array, sound: boolean): Uint8Array {
  const frame = new Uint8Array(body.length + 2)
  frame.set(body)
  const crc = crc16(body, 0, body.length) ^ (sound ? 0 : 0xffff)
  frame[body.length] = crc & 0xff
  frame[body.length + 1] = crc >> 8
  return frame
}
