/** The GPIO chips and the lines that the board names: who has them now. Nothing is requested, so nothing changes. */
import { closeSync, openSync } from 'node:fs'
import type { BoardDescription, LineAddress, PartReport } from '../../contract.ts'
import { findChip, findLine, gpioChips, lineText } from '../gpio/chips.ts'
import { LineFlag } from '../gpio/structures.ts'
import type { Surroundings } from './surroundings.ts'

/** What Fieldgate calls itself to the kernel. */
const OWN = 'fieldgate'

export function chipReports(board: BoardDescription, around: Surroundings): PartReport[] {
  const { chips, shut } = gpioChips(around)
  return [
    ...chips.map(
      ({ label, name, lines, path }): PartReport => ({
        part: 'chip',
        name: label === '' ? name : label,
        device: path,
        state: 'found',
        text: `${name}, ${lines} lines`,
      }),
    ),
    ...shut.map(
      ({ path, fault }): PartReport => ({
        part: 'chip',
        name: path.slice(path.lastIndexOf('/') + 1),
        device: path,
        // Whom no line is named of nobody misses.
        state: namesLines(board) ? 'refused' : 'found',
        text: `cannot be looked at: ${(fault as Error).message}`,
      }),
    ),
  ]
}

function namesLines({ ports, leds, button }: BoardDescription): boolean {
  const lamps = Object.values(leds).flatMap((lamp) => Object.values(lamp))
  const enabled = Object.values(ports).some(({ rs485 }) => rs485?.enable !== undefined)
  return button !== undefined || enabled || lamps.some((address) => 'gpio' in address)
}

export function buttonReports({ button }: BoardDescription, around: Surroundings): PartReport[] {
  return button === undefined ? [] : [{ part: 'button', name: 'button', ...lineReport(button, around) }]
}

/** A bare line: there, and free or ours. */
export function lineReport(address: LineAddress, around: Surroundings): Pick<PartReport, 'device' | 'state' | 'text'> {
  try {
    const chip = findChip(address.chip, around)
    const fd = openSync(chip.path, 'r+')
    try {
      const line = findLine(fd, chip, address.line, around.ioctl)
      const text = lineText(chip, line)
      if (line.consumer === OWN) return { device: chip.path, state: 'found', text: `${text}, held by Fieldgate` }
      if ((line.flags & LineFlag.used) === 0) return { device: chip.path, state: 'found', text }
      const who = line.consumer === '' ? 'the kernel or another program' : line.consumer
      const remedy = 'stop it, take the overlay that claims it out of config.txt, or name another line'
      return { device: chip.path, state: 'in use', text: `${text} is in use by ${who}: ${remedy}` }
    } finally {
      closeSync(fd)
    }
  } catch (thrown) {
    const text = (thrown as Error).message
    return { device: null, state: /may not be used/.test(text) ? 'refused' : 'missing', text }
  }
}
