/** The GPIO chips of the box: found by label, name or device file, their lines by offset or name. */
import { closeSync, openSync, readdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigurationFault } from '../../../src/contracts/errors.ts'
import type { LineAddress } from '../../contract.ts'
import { codeOf } from '../../fault.ts'
import type { Box } from '../kernel/box.ts'
import { type Ioctl, ioctl as kernel } from '../kernel/kernel.ts'
import { isRefused, noRights } from '../kernel/rights.ts'
import {
  askLineInfo,
  CHIP_INFO_BYTES,
  type ChipInfo,
  decodeChipInfo,
  decodeLineInfo,
  GPIO_GET_CHIPINFO_IOCTL,
  GPIO_V2_GET_LINEINFO_IOCTL,
  type LineInfo,
} from './structures.ts'

export interface Chip extends ChipInfo {
  readonly path: string
}

/** A chip that is there and may not be opened. */
export interface ShutChip {
  readonly path: string
  readonly fault: unknown
}

/** Every chip with a device file, each once although it may have several names. */
export function gpioChips(box: Box = {}): { readonly chips: readonly Chip[]; readonly shut: readonly ShutChip[] } {
  const { root = '/', ioctl = kernel } = box
  const chips: Chip[] = []
  const shut: ShutChip[] = []
  for (const path of chipFiles(root)) {
    try {
      chips.push(withFile(path, (fd) => readChip(fd, path, ioctl)))
    } catch (thrown) {
      shut.push({ path, fault: thrown })
    }
  }
  return { chips, shut }
}

/** Whether lines are given: chips answer from kernel 4.8 on, but by this version since 5.10 only. */
export function givesLines(box: Box = {}): boolean {
  const { ioctl = kernel } = box
  const { chips, shut } = gpioChips(box)
  if (chips[0] === undefined) return shut.length > 0
  try {
    withFile(chips[0].path, (fd) => readLine(fd, 0, ioctl))
    return true
  } catch (thrown) {
    return !['ENOTTY', 'EINVAL'].includes(codeOf(thrown))
  }
}

/** The device files below `/dev`, real ones only: `/dev/gpiochip4` of a Raspberry Pi 5 is a link to `gpiochip0`. */
function chipFiles(root: string): string[] {
  const folder = join(root, 'dev')
  const names = list(folder).filter((name) => /^gpiochip\d+$/.test(name))
  const files = names.toSorted((a, b) => Number(a.slice(8)) - Number(b.slice(8))).map((name) => join(folder, name))
  return files.filter((file) => realpathSync(file) === join(realpathSync(folder), file.slice(folder.length + 1)))
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function withFile<T>(path: string, use: (fd: number) => T): T {
  const fd = openSync(path, 'r+')
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}

function readChip(fd: number, path: string, ioctl: Ioctl): Chip {
  const answer = new Uint8Array(CHIP_INFO_BYTES)
  ioctl(fd, GPIO_GET_CHIPINFO_IOCTL, answer)
  return { ...decodeChipInfo(answer), path }
}

export function readLine(fd: number, offset: number, ioctl: Ioctl): LineInfo {
  const question = askLineInfo(offset)
  ioctl(fd, GPIO_V2_GET_LINEINFO_IOCTL, question)
  return decodeLineInfo(question)
}

/** How people call a chip. */
function chipText(chip: ChipInfo): string {
  return chip.label === '' ? chip.name : chip.label
}

/** `line 17 (GPIO17) of pinctrl-rp1` */
export function lineText(chip: ChipInfo, line: LineInfo): string {
  return `line ${line.offset}${line.name === '' ? '' : ` (${line.name})`} of ${chipText(chip)}`
}

/** Throws ConfigurationFault: there is none, or several. */
export function findChip(wanted: string, box: Box = {}): Chip {
  const { root = '/', ioctl = kernel } = box
  if (wanted.startsWith('/')) {
    const path = join(root, wanted)
    try {
      return withFile(path, (fd) => readChip(fd, path, ioctl))
    } catch (thrown) {
      if (isRefused(thrown)) throw noRights(`the GPIO chip ${wanted}`, path, { root, cause: thrown })
      throw missing(wanted, box, thrown)
    }
  }
  const { chips, shut } = gpioChips(box)
  const found = chips.filter((chip) => chip.label === wanted || chip.name === wanted)
  if (found.length > 1) {
    const names = found.map((chip) => chip.name).join(', ')
    throw new ConfigurationFault(
      `there are ${found.length} GPIO chips ${wanted} (${names}): name the chip by one of these`,
    )
  }
  if (found[0] !== undefined) return found[0]
  // A chip that may not be opened does not even tell its label.
  const refused = shut.find(({ fault }) => isRefused(fault))
  if (refused !== undefined) {
    throw noRights(`a GPIO chip, perhaps ${wanted},`, refused.path, { root, cause: refused.fault })
  }
  throw missing(wanted, box)
}

function missing(wanted: string, box: Box, cause?: unknown): ConfigurationFault {
  const { chips, shut } = gpioChips(box)
  const others = chips.map((chip) => (chip.label === '' ? chip.name : `${chip.label} (${chip.name})`)).join(', ')
  if (others !== '') {
    return new ConfigurationFault(`there is no GPIO chip ${wanted}: this box has ${others}; correct the board file`, {
      cause,
    })
  }
  if (shut.length > 0) {
    const { path, fault } = shut[0]!
    return new ConfigurationFault(
      `there is no GPIO chip ${wanted}: ${path} answered ${codeOf(fault) || String(fault)}; the kernel may be older than 5.10`,
      { cause },
    )
  }
  const known = list(join(box.root ?? '/', 'sys/bus/gpio/devices')).filter((name) => name.startsWith('gpiochip'))
  return new ConfigurationFault(
    known.length > 0
      ? `there is no GPIO chip ${wanted} in /dev, although the kernel has ${known.join(', ')}: allow them in the unit (DeviceAllow=char-gpiochip rw, PrivateDevices=no)`
      : `there is no GPIO chip ${wanted}: this kernel found none at all; load the chip's driver, or correct the board file`,
    { cause },
  )
}

/** The line that an address means. `fd`: of its chip. Throws ConfigurationFault. */
export function findLine(fd: number, chip: Chip, wanted: LineAddress['line'], ioctl: Ioctl): LineInfo {
  if (typeof wanted === 'number') {
    if (Number.isInteger(wanted) && wanted >= 0 && wanted < chip.lines) return readLine(fd, wanted, ioctl)
    throw new ConfigurationFault(
      `${chipText(chip)} has no line ${wanted}: it has ${chip.lines}, 0 to ${chip.lines - 1}; correct the board file`,
    )
  }
  const names: string[] = []
  for (let offset = 0; offset < chip.lines; offset += 1) {
    const line = readLine(fd, offset, ioctl)
    if (line.name === wanted) return line
    if (line.name !== '') names.push(line.name)
  }
  const known =
    names.length === 0 ? 'its lines have no names, use the offset' : `it has ${names.slice(0, 64).join(', ')}`
  throw new ConfigurationFault(`${chipText(chip)} has no line named ${wanted}: ${known}; correct the board file`)
}
