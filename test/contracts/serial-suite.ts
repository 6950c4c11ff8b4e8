/** What every SerialPort does, whatever is behind it. */
import { expect, test } from 'vitest'
import type { LineSettings, SerialPort } from '../../hal/contract.ts'
import { Retryable } from '../../src/contracts/errors.ts'

/** The other end of a port under test. */
export interface FarEnd {
  readonly port: SerialPort
  send(bytes: Uint8Array): void
  /** Everything that came from the port so far. */
  received(): Uint8Array
  /** The port's device goes away. */
  unplug(): void
  /** Waits or moves time, until something holds. */
  until(holds: () => boolean): Promise<void>
  /** Waits or moves time until a promise is settled. */
  settled<T>(promise: Promise<T>): Promise<T>
  close(): Promise<void>
}

const LINE: LineSettings = { baudRate: 19_200, dataBits: 8, parity: 'none', stopBits: 1 }

export function serialPortSuite(make: () => Promise<FarEnd>): void {
  const withPort = async (run: (far: FarEnd) => Promise<void>): Promise<void> => {
    const far = await make()
    try {
      await run(far)
    } finally {
      await far.close()
    }
  }

  test('what is written comes out of the other end', () =>
    withPort(async (far) => {
      await far.settled(far.port.open(LINE))
      await far.settled(far.port.write(Uint8Array.of(1, 3, 0, 0x11, 0x13, 0xff)))
      await far.until(() => far.received().length >= 6)
      expect([...far.received()]).toEqual([1, 3, 0, 0x11, 0x13, 0xff])
    }))

  test('what arrives is heard, with its time, until nobody listens', () =>
    withPort(async (far) => {
      await far.settled(far.port.open(LINE))
      const heard: number[] = []
      const times: number[] = []
      const stop = far.port.onData((chunk, at) => {
        heard.push(...chunk)
        times.push(at)
      })
      far.send(Uint8Array.of(0, 10, 13, 26, 255))
      await far.until(() => heard.length >= 5)
      expect(heard).toEqual([0, 10, 13, 26, 255])
      expect(times.every((at, index) => at >= (times[index - 1] ?? 0))).toBe(true)
      stop()
      const others: number[] = []
      far.port.onData((chunk) => others.push(...chunk))
      far.send(Uint8Array.of(7))
      await far.until(() => others.length >= 1)
      expect(heard).toHaveLength(5)
    }))

  test('a port that goes away says so once, with a reason', () =>
    withPort(async (far) => {
      await far.settled(far.port.open(LINE))
      const reasons: string[] = []
      const heard: Uint8Array[] = []
      far.port.onClose((why) => reasons.push(why))
      far.port.onData((chunk) => heard.push(chunk))
      // In use: one that goes in the instant of its opening shows at the first write instead.
      far.send(Uint8Array.of(1))
      await far.until(() => heard.length > 0)
      far.unplug()
      await far.until(() => reasons.length > 0)
      expect(reasons).toHaveLength(1)
      expect(reasons[0]!.length).toBeGreaterThan(5)
      const fault = await far.settled(far.port.write(Uint8Array.of(1)).catch((thrown) => thrown))
      expect(fault).toBeInstanceOf(Retryable)
    }))

  test('a port that is not there is refused with a sentence, and no port is left open', () =>
    withPort(async (far) => {
      far.unplug()
      const fault = await far.settled(far.port.open(LINE).catch((thrown) => thrown))
      expect(fault).toBeInstanceOf(Retryable)
      expect(fault.message).toMatch(/is it|is the adapter|there/)
      await far.settled(far.port.close())
    }))

  test('closing it oneself is no event, and it can be opened again', () =>
    withPort(async (far) => {
      const reasons: string[] = []
      far.port.onClose((why) => reasons.push(why))
      for (let round = 0; round < 2; round++) {
        await far.settled(far.port.open(LINE))
        await far.settled(far.port.flushInput())
        await far.settled(far.port.close())
        await far.settled(far.port.close())
      }
      expect(reasons).toEqual([])
      await far.settled(far.port.open(LINE))
      await far.settled(far.port.write(Uint8Array.of(42)))
      await far.until(() => far.received().length >= 1)
      expect(far.received().at(-1)).toBe(42)
    }))

  test('writing to a closed port is refused', () =>
    withPort(async (far) => {
      const fault = await far.settled(far.port.write(Uint8Array.of(1)).catch((thrown) => thrown))
      expect(fault).toBeInstanceOf(Retryable)
    }))

  test('opening an open port is refused', () =>
    withPort(async (far) => {
      await far.settled(far.port.open(LINE))
      expect(await far.settled(far.port.open(LINE).catch((thrown) => thrown))).toBeInstanceOf(Retryable)
    }))
}
