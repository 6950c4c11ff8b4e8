/** What a report looks at. */
import type { Ioctl } from '../kernel/kernel.ts'

export interface Surroundings {
  /** What stands for `/`. */
  readonly root: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly ioctl: Ioctl
  /** What was found out of a port by opening it. */
  readonly known: Map<string, string>
}
