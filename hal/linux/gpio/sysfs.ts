/** An output line through `/sys/class/gpio`, for kernels before 5.10 (Documentation/ABI/obsolete/sysfs-gpio). Its number is the
 *  chip's base and the line's offset. */
import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigurationFault } from '../../../src/contracts/errors.ts'
import type { LineAddress } from '../../contract.ts'
import { codeOf, unavailable } from '../../fault.ts'
import type { Box } from '../kernel/box.ts'
import { isRefused, noRights, RIGHTS_MS } from '../kernel/rights.ts'
import type { OutputLine } from './line.ts'

/** Whether this kernel has it. */
export function hasSysfsLines(root = '/'): boolean {
  return existsSync(join(root, 'sys/class/gpio/export'))
}

const LEVELS = [Buffer.from('0'), Buffer.from('1')] as const

/** Throws ConfigurationFault (no such chip or line, no rights) or Retryable (busy). */
export function openSysfsOutput(address: LineAddress, options: Box & { readonly active?: boolean } = {}): OutputLine {
  const { root = '/', active = false } = options
  const folder = join(root, 'sys/class/gpio')
  const { base, label, lines } = chipOf(folder, address.chip)
  const { line, activeLow = false } = address
  if (typeof line !== 'number' || line < 0 || line >= lines) {
    throw new ConfigurationFault(
      `${label} has no line ${line}: through /sys/class/gpio it has 0 to ${lines - 1}, and no names; correct the board file`,
    )
  }
  return new SysfsLine({ text: `line ${line} of ${label}`, root, folder, number: base + line, activeLow, active })
}

class SysfsLine implements OutputLine {
  readonly text: string
  readonly #root: string
  readonly #folder: string
  readonly #own: string
  readonly #number: number
  readonly #activeLow: boolean
  /** We have exported it, and take that back. */
  #exported = false
  #value: number | undefined
  #active: boolean
  /** What came of it while nobody asked: thrown when it is set next. */
  #fault: Error | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(
    options: Pick<SysfsLine, 'text'> & {
      root: string
      folder: string
      number: number
      activeLow: boolean
      active: boolean
    },
  ) {
    this.text = options.text
    this.#root = options.root
    this.#folder = options.folder
    this.#own = join(options.folder, `gpio${options.number}`)
    this.#number = options.number
    this.#activeLow = options.activeLow
    this.#active = options.active
    // Left behind by a process that was killed, or exported by another: the level and direction are ours to set either way.
    if (!existsSync(this.#own)) {
      this.#write(join(this.#folder, 'export'), String(this.#number))
      this.#exported = true
    }
    this.#take(0)
    if (this.#fault !== undefined) throw this.#fault
  }

  set(active: boolean): void {
    this.#active = active
    if (this.#fault !== undefined) throw this.#fault
    if (this.#timer !== undefined) return
    try {
      if (this.#value === undefined) throw unavailable(`${this.text} was given back`)
      writeSync(this.#value, LEVELS[active ? 1 : 0], 0, 1, 0)
    } catch (thrown) {
      throw unavailable(`${this.text} failed (${codeOf(thrown)}): its chip may be unplugged`, thrown)
    }
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#value !== undefined) closeSync(this.#value)
    this.#value = undefined
    if (!this.#exported) return
    this.#exported = false
    this.#write(join(this.#folder, 'unexport'), String(this.#number))
  }

  /** Its files come with the export, and their rights later. */
  #take(attempt: number): void {
    this.#timer = undefined
    try {
      this.#write(join(this.#own, 'active_low'), this.#activeLow ? '1' : '0')
      // `high` and `low` are levels of the pin, and set it without a moment of the other level.
      this.#write(join(this.#own, 'direction'), this.#active === this.#activeLow ? 'low' : 'high')
      this.#value = this.#said(join(this.#own, 'value'), (path) => openSync(path, 'r+'))
    } catch (thrown) {
      const wait = isRefused((thrown as Error).cause) ? RIGHTS_MS[attempt] : undefined
      if (wait !== undefined) {
        this.#timer = setTimeout(() => this.#take(attempt + 1), wait).unref()
        return
      }
      this.#fault = thrown as Error
      this.#giveBack()
    }
  }

  #giveBack(): void {
    try {
      this.close()
    } catch {
      // Why it could not be had is what matters.
    }
  }

  #write(file: string, value: string): void {
    this.#said(file, (path) => writeFileSync(path, value))
  }

  /** Whatever it throws becomes a sentence. */
  #said<T>(path: string, act: (path: string) => T): T {
    try {
      return act(path)
    } catch (thrown) {
      if (codeOf(thrown) === 'EBUSY') {
        throw unavailable(
          `${this.text} is used by the kernel: free it there, or name another line in the board file`,
          thrown,
        )
      }
      if (isRefused(thrown)) throw noRights(this.text, path, { root: this.#root, cause: thrown })
      throw unavailable(`${this.text} cannot be had: ${codeOf(thrown)} at ${path}`, thrown)
    }
  }
}

interface SysfsChip {
  readonly label: string
  readonly base: number
  readonly lines: number
}

/** By its label; or by its device's name, whose folder holds it. */
function chipOf(folder: string, wanted: string): SysfsChip {
  const chips = readdirSync(folder)
    .filter((name) => /^gpiochip\d+$/.test(name))
    .map((name): SysfsChip & { readonly names: readonly string[] } => {
      const read = (file: string): string => readFileSync(join(folder, name, file), 'utf8').trim()
      const cells = join(folder, name, 'device')
      const device = existsSync(cells) ? readdirSync(cells).filter((entry) => /^gpiochip\d+$/.test(entry)) : []
      return { label: read('label'), base: Number(read('base')), lines: Number(read('ngpio')), names: device }
    })
  const name = wanted.replace(/^\/dev\//, '')
  const found = chips.filter((chip) => chip.label === wanted || chip.names.includes(name))
  if (found.length === 1) return found[0]!
  const labels = chips.map((chip) => chip.label).join(', ')
  throw new ConfigurationFault(
    found.length > 1
      ? `there are ${found.length} GPIO chips ${wanted}: name the chip by its device file`
      : `there is no GPIO chip ${wanted}: this box has ${labels || 'none'}; correct the board file`,
  )
}
