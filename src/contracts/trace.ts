/** Frames as they passed a line, decoded: what a driver remembers of its own traffic, for people and their tools. */

export interface TracedFrame {
  /** Counts from the connection's first frame on. */
  readonly seq: number
  /** UTC milliseconds, with fractions down to the microsecond. */
  readonly at: number
  /** `none`: what did not happen, such as an answer. */
  readonly way: 'sent' | 'received' | 'none'
  readonly unit: number | null
  readonly bytes: Uint8Array
  /** For people: `FC03 holding:0–1 = 17 4`. */
  readonly text: string
  /** `request`, `answer`, `exception`, `timeout`, `late`, …: the driver's words. */
  readonly verdict: string
  /** Something is wrong with it. */
  readonly fault: boolean
  /** From the start of the question to the end of its answer. */
  readonly elapsedMs: number | null
}

/** What surrounded a fault. */
export interface TracedIncident {
  readonly at: number
  /** Which of the frames it was. */
  readonly seq: number
  readonly text: string
  readonly frames: readonly TracedFrame[]
}

/** How frames are written down; Modbus ASCII as the RTU frames they stand for. */
export type Framing = 'rtu' | 'tcp'

export interface FrameTrace {
  readonly framing: Framing
  /** The number the next frame will have. */
  readonly next: number
  /** Frames from `seq` on of which there still is a memory, the oldest first, at most so many. */
  since(seq: number, most: number): readonly TracedFrame[]
  /** The latest, the oldest first. */
  incidents(): readonly TracedIncident[]
}
