/** What the gateway says of itself: one snapshot that every console, LED and metric is made from. */
import type { Batch } from './batch.ts'
import type { Budget } from './budget.ts'
import type { ClockQuality } from './clock.ts'
import type { Counters, State } from './component.ts'
import type { Knowledge } from './driver.ts'
import type { Standing } from './health.ts'
import type { Receipt } from './log.ts'

/** Last batch of every group, whole; also when the disk refuses it (then `stored` is false). */
export interface LiveValues {
  get(device: string, group: string): Batch | undefined
  all(): Iterable<Batch>
  /** Whether a device answers; undefined: not asked yet, or no such device. */
  answers(device: string): boolean | undefined
  watch(listen: (batch: Batch) => void): () => void
}

export interface DeviceReport {
  readonly name: string
  readonly connection: string
  readonly enabled: boolean
  /** null: not asked yet. */
  readonly answers: boolean | null
  readonly text: string
  /** Why it is not read although it answers. */
  readonly trouble?: string
  /** What was learnt of it by asking, and is planned by. */
  readonly knowledge?: Knowledge
  /** Monotonic-based age of the last answer, milliseconds; null: never. */
  readonly ageMs: number | null
  readonly groups: number
  readonly tags: number
  readonly counters: Counters
}

export interface ConnectionReport {
  readonly name: string
  readonly driver: string
  readonly state: State
  /** Share of the last ten seconds in which the wire was in use, 0–1. */
  readonly load: number
  readonly requestsPerSecond: number
  readonly responseMs: { readonly p50: number; readonly p95: number }
  /** What it has to do, by the response times that are known. */
  readonly budget?: Budget
  readonly devices: number
  readonly answering: number
  readonly counters: Counters
}

export interface SinkReport {
  readonly name: string
  readonly type: string
  readonly state: State
  readonly receipt: Receipt | null
  /** Acquisition time of the oldest entry it has not confirmed, UTC ms. */
  readonly oldest: number | null
  /** Entries a second over the last ten seconds. */
  readonly rate: number
  readonly counters: Counters
}

export interface LogReport {
  readonly state: State
  readonly stream: string
  readonly head: { readonly epoch: number; readonly seq: number }
  readonly bytes: number
  readonly quotaBytes: number
  /** The quota, or less where the file system has less to give. */
  readonly limitBytes: number
  /** What goes when it is full. */
  readonly evict: 'oldest' | 'newest'
  readonly segments: number
  /** What came in over the last minute; bytes on the disk. */
  readonly perSecond: { readonly entries: number; readonly bytes: number }
  /** At the present rate, if nothing is confirmed meanwhile; null: never. */
  readonly fullInMs: number | null
  readonly counters: Counters
}

/** Whether one process does its work: who is expected to make progress, and what the watchdog is fed by. */
export interface HealthReport {
  /** One for each component, in the order of enrolment. */
  readonly components: readonly Standing[]
  /** `systemd`, `device`, or nobody who would restart it. */
  readonly watchdog: { readonly by: readonly ('systemd' | 'device')[]; readonly state: State }
  /** The longest time in which the process did nothing else, milliseconds. */
  readonly longestStallMs: number
  /** `loopStalls`, `loopStalledMs`, `watchdogFed`, `watchdogWithheld`, and what journal and systemd could not take. */
  readonly counters: Counters
}

export interface Light {
  /** Of the state, one of the language's table: `net.buffering.50`. */
  readonly id: string
  readonly role: 'SYS' | 'BUS' | 'NET' | 'HA'
  readonly colour: 'off' | 'green' | 'amber' | 'red'
  readonly pattern: 'off' | 'gap' | 'blink' | 'double' | 'long-on' | 'steady' | 'code'
  /** With pattern `code`: blinks before and after the pause. */
  readonly code?: readonly number[]
  /** What, why, what to do. */
  readonly text: string
  /** The same of what else stands against this light, the worse first; absent: nothing. */
  readonly also?: readonly string[]
}

export interface GatewayReport {
  readonly gateway: string
  readonly version: string
  readonly revision: string
  readonly startedAt: number
  readonly at: number
  /** How the configuration in force came to be, when it is not the file's: "the file cannot be read, the last good one is used". */
  readonly notices: readonly string[]
  readonly lights: readonly Light[]
  /** How far the wall clock can be trusted, and which boot of the box it is; absent: the half that stamps does not run. */
  readonly clock?: { readonly quality: ClockQuality; readonly boot: string }
  /** What the kernel tells of the box; absent: nothing yet, or the half that asks does not run. */
  readonly machine?: MachineReport
  readonly connections: readonly ConnectionReport[]
  readonly devices: readonly DeviceReport[]
  readonly sinks: readonly SinkReport[]
  /** null: whoever writes it does not run. */
  readonly log: LogReport | null
  /** What the pipeline and the door count. */
  readonly counters: Counters
  /** Absent: one process is all of it. */
  readonly halves?: readonly HalfReport[]
  /** Those that answered. */
  readonly processes?: readonly ProcessReport[]
}

export interface MachineReport {
  readonly celsius?: number
  /** Where the kernel begins to slow the box down. */
  readonly tripCelsius?: number
  readonly throttled?: 'heat' | 'voltage'
  readonly storages: readonly {
    readonly path: string
    readonly readOnly: boolean
    /** What is written there is lost with the power. */
    readonly inMemory: boolean
    readonly freeBytes: number
    readonly totalBytes: number
    /** Of flash memory, 0–1. */
    readonly lifeUsed?: number
  }[]
  readonly links: readonly {
    readonly name: string
    readonly carrier: boolean
    /** Without those that are good for the own segment only. */
    readonly addresses: number
  }[]
}

/** What a process of the gateway takes of the machine. */
export interface ProcessReport {
  readonly side: 'both' | 'field' | 'uplink' | 'console'
  /** UTC ms. */
  readonly startedAt: number
  /** Processor time since then, user and system together. */
  readonly cpuMs: number
  readonly residentBytes: number
  readonly heapBytes: number
  /** What its sockets count; absent: it has none. */
  readonly counters?: Counters
  /** Absent: nobody watches over it. */
  readonly health?: HealthReport
}

/** What the uplink half says of itself where it runs apart. */
export type UplinkReport = Pick<
  GatewayReport,
  'gateway' | 'version' | 'revision' | 'startedAt' | 'at' | 'notices' | 'sinks' | 'processes'
>

/** One of the two processes that a gateway can run as. */
export interface HalfReport {
  readonly half: 'field' | 'uplink'
  readonly running: boolean
  /** Of the configuration it has in force; null: it does not run. */
  readonly revision: string | null
  readonly text: string
}
