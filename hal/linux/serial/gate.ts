/** Who switches the transmitter of a port: the kernel, a line of a GPIO chip, or the adapter by itself. */
import type { LineAddress, LineSettings, Rs485Settings } from '../../contract.ts'
import { unavailable } from '../../fault.ts'
import type { Ioctl } from '../kernel/kernel.ts'
import { Direction } from './direction.ts'
import { clearRs485, isEnabled, readRs485, restoreRs485, setRs485 } from './rs485.ts'
import type { Switch } from './sending-thread.ts'

export interface Gate {
  /** The transmitter is known to be on only while something is sent. */
  readonly gated: boolean | undefined
  /** Sends in place of the port. */
  readonly send?: (frame: Uint8Array) => Promise<void>
  /** The port is left as it was found. `gone`: it is not there any more, and its number may be another file's. */
  close(gone: boolean): Promise<void>
}

/** An output, off from the beginning. Throws with a sentence. */
export type OpenLine = (address: LineAddress) => { readonly enable: Switch; close(): void }

interface Options {
  readonly fd: number
  readonly device: string
  /** For people. */
  readonly where: string
  readonly settings: LineSettings
  /** What the board says, for what the line leaves open. */
  readonly board: Rs485Settings | undefined
  readonly ioctl: Ioctl
  readonly openLine: OpenLine | undefined
}

/** Throws Retryable, with what to do. */
export async function gateOf(options: Options): Promise<Gate> {
  const { fd, settings, board, ioctl } = options
  const found = readRs485(fd, ioctl)
  const told = settings.rs485 ?? board
  if (told === undefined) {
    const gated = found !== null && isEnabled(found) ? true : undefined
    return { gated, close: () => Promise.resolve() }
  }
  const restore = (): void => restoreRs485(fd, found, ioctl)
  try {
    const gate = await chosen(options, { ...board, ...settings.rs485, mode: told.mode })
    return {
      ...gate,
      async close(gone) {
        if (!gone) restore()
        await gate.close(gone)
      },
    }
  } catch (thrown) {
    restore()
    throw thrown
  }
}

async function chosen(options: Options, rs485: Rs485Settings): Promise<Gate> {
  const { fd, where, ioctl } = options
  const { mode, enable } = rs485
  if (mode === 'kernel' || mode === 'auto') {
    const answer = setRs485(fd, rs485, ioctl)
    if ('gated' in answer) return { gated: true, close: () => Promise.resolve() }
    if ('lacking' in answer) {
      throw unavailable(
        `${where}: its driver switches the transmitter, but ${answer.lacking}: leave that key of rs485 out`,
      )
    }
    if (mode === 'kernel') {
      throw unavailable(
        `${where} cannot switch its transmitter: ${answer.refused}. An adapter that switches by itself needs rs485: { mode: adapter }, a line of a GPIO chip { mode: gpio, enable: … }`,
      )
    }
  }
  clearRs485(fd, ioctl)
  if (mode === 'gpio' || (mode === 'auto' && enable !== undefined)) return byLine(options, rs485)
  return { gated: undefined, close: () => Promise.resolve() }
}

async function byLine({ device, where, settings, openLine }: Options, rs485: Rs485Settings): Promise<Gate> {
  const { enable: address, delayBeforeMs = 0, delayAfterMs = 0 } = rs485
  if (address === undefined || openLine === undefined) {
    throw unavailable(
      `${where} has no line that enables its transmitter, neither of the connection nor of the board: add enable: { chip: …, line: … } to its rs485`,
    )
  }
  const line = openLine(address)
  try {
    const direction = await Direction.open({
      where,
      device,
      enable: line.enable,
      pace: { byteMs: byteMsOf(settings), delayBeforeMs, delayAfterMs },
    })
    return {
      gated: true,
      send: (frame) => direction.send(frame),
      async close() {
        await direction.close()
        line.close()
      },
    }
  } catch (thrown) {
    line.close()
    throw thrown
  }
}

/** One character on the wire, start and stop bits included. */
export function byteMsOf({ baudRate, dataBits, parity, stopBits }: LineSettings): number {
  return ((1 + dataBits + (parity === 'none' ? 0 : 1) + stopBits) * 1000) / baudRate
}
