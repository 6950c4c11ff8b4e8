/** The button of the board: edges of an input line, debounced by the kernel and dated by it. */
import { readSync } from 'node:fs'
import type { Button, LineAddress } from '../../contract.ts'
import { codeOf } from '../../fault.ts'
import type { Box } from '../kernel/box.ts'
import { whenReadable } from '../kernel/readable.ts'
import { LineRequest } from './line.ts'
import { decodeLineEvents, LINE_EVENT_BYTES } from './structures.ts'

/** What contacts of a push button need. */
const DEBOUNCE_MS = 20
/** The kernel keeps as many of a line. */
const EVENTS = 16

/** Throws ConfigurationFault (no such chip or line, no rights) or Retryable (busy). */
export function openButton({
  line,
  ...box
}: { readonly line: LineAddress & { readonly debounceMs?: number } } & Box): Button {
  const request = LineRequest.input(line, { ...box, debounceMs: line.debounceMs ?? DEBOUNCE_MS })
  const listeners = new Set<(pressed: boolean, atMonotonic: number) => void>()
  const buffer = new Uint8Array(EVENTS * LINE_EVENT_BYTES)
  let pressed = request.get()
  const change = (active: boolean, at: number): void => {
    if (active === pressed) return
    pressed = active
    for (const listen of [...listeners]) listen(active, at)
  }
  const read = (): boolean => {
    try {
      // The kernel drops the oldest of more than it keeps: the last one is always true, and two alike tell of one that is lost.
      const events = decodeLineEvents(buffer.subarray(0, readSync(request.fd, buffer)))
      for (const { active, at } of events) change(active, at)
      return true
    } catch (thrown) {
      // Nothing was there after all; else the chip is unplugged, and its line would be readable for ever.
      return codeOf(thrown) === 'EAGAIN'
    }
  }
  const stop = whenReadable(request.fd, read)
  return {
    get pressed() {
      return pressed
    },
    onChange(listen) {
      listeners.add(listen)
      return () => listeners.delete(listen)
    },
    close() {
      listeners.clear()
      stop()
      request.close()
    },
  }
}
