/** Where the kernel's files are, and how it is called. */
import type { Ioctl } from './kernel.ts'

/** The box that devices are opened on; a test has another. */
export interface Box {
  /** Before `/dev` and `/sys`. */
  readonly root?: string
  readonly ioctl?: Ioctl
}
