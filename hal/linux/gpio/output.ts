/** A line to switch, by the best way the kernel has: the character device, else sysfs. */
import type { LineAddress } from '../../contract.ts'
import type { Box } from '../kernel/box.ts'
import { givesLines } from './chips.ts'
import { LineRequest, type OutputLine } from './line.ts'
import { hasSysfsLines, openSysfsOutput } from './sysfs.ts'

/** Throws ConfigurationFault (no such chip or line, no rights) or Retryable (busy). */
export function openOutput(address: LineAddress, options: Box & { readonly active?: boolean } = {}): OutputLine {
  if (hasSysfsLines(options.root) && !givesLines(options)) return openSysfsOutput(address, options)
  return LineRequest.output(address, options)
}
