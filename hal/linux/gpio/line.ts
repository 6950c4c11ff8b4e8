/** One line of a GPIO chip, held through the character device until it is closed or the process ends. */
import { closeSync, openSync } from 'node:fs'
import { ConfigurationFault } from '../../../src/contracts/errors.ts'
import type { LineAddress } from '../../contract.ts'
import { codeOf, unavailable } from '../../fault.ts'
import type { Box } from '../kernel/box.ts'
import { type Ioctl, KernelFault, ioctl as kernel } from '../kernel/kernel.ts'
import { isRefused, noRights } from '../kernel/rights.ts'
import { type Chip, findChip, findLine, lineText, readLine } from './chips.ts'
import {
  decodeLineValue,
  encodeLineConfig,
  encodeLineRequest,
  encodeLineValue,
  GPIO_V2_GET_LINE_IOCTL,
  GPIO_V2_LINE_GET_VALUES_IOCTL,
  GPIO_V2_LINE_SET_CONFIG_IOCTL,
  GPIO_V2_LINE_SET_VALUES_IOCTL,
  LINE_VALUES_BYTES,
  type LineConfig,
  LineFlag,
  type LineInfo,
  lineDescriptor,
} from './structures.ts'

/** A line this process switches. */
export interface OutputLine {
  /** `line 17 (GPIO17) of pinctrl-rp1` */
  readonly text: string
  /** Throws Retryable. */
  set(active: boolean): void
  close(): void
}

/** Shown by `gpioinfo` beside each line that is ours. */
const CONSUMER = 'fieldgate'

const BIAS = { 'pull-up': LineFlag.pullUp, 'pull-down': LineFlag.pullDown, none: LineFlag.biasDisabled } as const

export class LineRequest implements OutputLine {
  readonly text: string
  /** To wait for its edges. */
  readonly fd: number
  readonly #ioctl: Ioctl
  /** As the line is left: it goes back to being an input if it was one. */
  readonly #leave: LineConfig | undefined
  readonly #levels = [encodeLineValue(false), encodeLineValue(true)] as const
  #open = true

  private constructor(options: { text: string; fd: number; ioctl: Ioctl; leave: LineConfig | undefined }) {
    this.text = options.text
    this.fd = options.fd
    this.#ioctl = options.ioctl
    this.#leave = options.leave
  }

  /** `active`: its first level. Throws ConfigurationFault (no such chip or line, no rights) or Retryable (busy). */
  static output(address: LineAddress, options: Box & { readonly active?: boolean } = {}): LineRequest {
    return LineRequest.#hold(address, { flags: LineFlag.output, active: options.active ?? false }, options)
  }

  /** With both edges. The kernel debounces, by itself where the chip cannot. Throws as `output`. */
  static input(address: LineAddress, options: Box & { readonly debounceMs?: number } = {}): LineRequest {
    const flags = LineFlag.input | LineFlag.edgeRising | LineFlag.edgeFalling
    const { debounceMs = 0 } = options
    const config = debounceMs > 0 ? { flags, debounceUs: Math.round(debounceMs * 1000) } : { flags }
    return LineRequest.#hold(address, config, options)
  }

  static #hold(address: LineAddress, base: LineConfig, box: Box): LineRequest {
    const { ioctl = kernel } = box
    const chip = findChip(address.chip, box)
    const chipFd = openSync(chip.path, 'r+')
    try {
      const line = found(chipFd, chip, address.line, ioctl)
      const polarity = address.activeLow ? LineFlag.activeLow : 0
      const bias = address.bias === undefined ? 0 : BIAS[address.bias]
      const config = { ...base, flags: base.flags | polarity | bias }
      const request = encodeLineRequest({ offset: line.offset, consumer: CONSUMER, config })
      try {
        ioctl(chipFd, GPIO_V2_GET_LINE_IOCTL, request)
      } catch (thrown) {
        throw refusal(thrown, chip, { line: readLine(chipFd, line.offset, ioctl), root: box.root })
      }
      const wasInput = (line.flags & LineFlag.input) !== 0 && (base.flags & LineFlag.output) !== 0
      return new LineRequest({
        text: lineText(chip, line),
        fd: lineDescriptor(request),
        ioctl,
        leave: wasInput ? { flags: LineFlag.input | bias } : undefined,
      })
    } finally {
      closeSync(chipFd)
    }
  }

  set(active: boolean): void {
    this.#call(GPIO_V2_LINE_SET_VALUES_IOCTL, this.#levels[active ? 1 : 0])
  }

  /** Whether it is active now. */
  get(): boolean {
    const values = new Uint8Array(LINE_VALUES_BYTES)
    values[8] = 1
    this.#call(GPIO_V2_LINE_GET_VALUES_IOCTL, values)
    return decodeLineValue(values)
  }

  #call(request: number, argument: Uint8Array): void {
    if (!this.#open) throw unavailable(`${this.text} was given back`)
    try {
      this.#ioctl(this.fd, request, argument)
    } catch (thrown) {
      throw unavailable(`${this.text} failed (${codeOf(thrown)}): its chip may be unplugged`, thrown)
    }
  }

  close(): void {
    if (!this.#open) return
    try {
      if (this.#leave !== undefined) this.#call(GPIO_V2_LINE_SET_CONFIG_IOCTL, encodeLineConfig(this.#leave))
    } catch {
      // Its chip is gone, and the line with it.
    }
    this.#open = false
    closeSync(this.fd)
  }
}

/** Kernels before 5.10 know chips but not this version's questions about lines. */
function found(fd: number, chip: Chip, wanted: LineAddress['line'], ioctl: Ioctl): LineInfo {
  try {
    return findLine(fd, chip, wanted, ioctl)
  } catch (thrown) {
    if (!(thrown instanceof KernelFault)) throw thrown
    const text = `line ${wanted} of ${chip.label || chip.name}`
    if (!TOO_OLD.includes(thrown.code)) throw unavailable(`${text} cannot be had: ${thrown.code}`, thrown)
    throw new ConfigurationFault(
      `${text} cannot be had from this kernel (${thrown.code}): lines are given since 5.10; bring the kernel up to date`,
      { cause: thrown },
    )
  }
}

const TOO_OLD = ['ENOTTY', 'EINVAL']

function refusal(
  thrown: unknown,
  chip: Chip,
  { line, root }: { readonly line: LineInfo; readonly root: string | undefined },
): Error {
  const text = lineText(chip, line)
  if (codeOf(thrown) === 'EBUSY') {
    const user = line.consumer === '' ? 'the kernel or another program' : `"${line.consumer}"`
    return unavailable(`${text} is used by ${user}: free it there, or name another line in the board file`, thrown)
  }
  if (isRefused(thrown)) return noRights(text, chip.path, { root, cause: thrown })
  if (TOO_OLD.includes(codeOf(thrown))) {
    return new ConfigurationFault(
      `${text} cannot be had as it is described (${codeOf(thrown)}): the chip lacks the direction, or the kernel is older than 5.10`,
      { cause: thrown },
    )
  }
  return unavailable(`${text} cannot be had: ${codeOf(thrown) || String(thrown)}`, thrown)
}
