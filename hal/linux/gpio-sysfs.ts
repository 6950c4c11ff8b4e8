/** An output line through `/sys/class/gpio`, for kernels before 5.10 (Documentation/ABI/obsolete/sysfs-gpio). Its number is the
 *  chip's base and the line's offset. */
import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigurationFault } from '../../src/contracts/errors.ts'
import type { LineAddress } from '../contract.ts'
import { type Box, codeOf, isRefused, noRights, unavailable } from './box.ts'
import type { OutputLine } from './gpio.ts'

/** Whether this kernel has it. */
export function hasSysfsLines(root = '/'): boolean {
  return existsSync(join(root, 'sys/class/gpio/export'))
}

const LEVELS = [Buffer.from('0'), Buffer.from('1')] as const

/** Throws ConfigurationFault (no such chip or line, no rights) or Retryable (busy). */
export function openSysfsOutput(address: LineAddress, options: Box & { readonly active?: boolean } = {}): OutputLine {
  const folder = join(options.root ?? '/', 'sys/class/gpio')
  const { base, label, lines } = chipOf(folder, address.chip)
  const { line } = address
  if (typeof line !== 'number' || line < 0 || line >= lines) {
    throw new ConfigurationFault(
      `${label} has no line ${line}: through /sys/class/gpio it has 0 to ${lines - 1}, and no names; correct the board file`,
    )
  }
  const text = `line ${line} of ${label}`
  const own = join(folder, `gpio${base + line}`)
  const write = (path: string, value: string): void => {
    try {
      writeFileSync(path, value)
    } catch (thrown) {
      if (codeOf(thrown) === 'EBUSY') {
        throw unavailable(
          `${text} is used by the kernel: free it there, or name another line in the board file`,
          thrown,
        )
      }
      if (isRefused(thrown)) throw noRights(text, path, thrown)
      throw unavailable(`${text} cannot be had: ${codeOf(thrown)} at ${path}`, thrown)
    }
  }
  // Left behind by a process that was killed, or exported by another: the level and direction are ours to set either way.
  const exported = existsSync(own)
  if (!exported) write(join(folder, 'export'), String(base + line))
  const activeLow = address.activeLow ?? false
  write(join(own, 'active_low'), activeLow ? '1' : '0')
  // `high` and `low` are levels of the pin, and set it without a moment of the other level.
  write(join(own, 'direction'), (options.active ?? false) !== activeLow ? 'high' : 'low')
  let fd: number | undefined = openSync(join(own, 'value'), 'r+')
  return {
    text,
    set(active) {
      try {
        if (fd === undefined) throw unavailable(`${text} was given back`)
        writeSync(fd, LEVELS[active ? 1 : 0], 0, 1, 0)
      } catch (thrown) {
        throw unavailable(`${text} failed (${codeOf(thrown)}): its chip may be unplugged`, thrown)
      }
    },
    close() {
      if (fd === undefined) return
      closeSync(fd)
      fd = undefined
      if (!exported) write(join(folder, 'unexport'), String(base + line))
    },
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
