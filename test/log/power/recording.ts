/** What a process did to the files of a log, call by call, and what it was promised meanwhile. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Mark, Role, Work } from './marks.ts'

/** As recorder.c numbers them. */
const KINDS = [
  'open',
  'write',
  'written',
  'truncate',
  'sync',
  'synced',
  'close',
  'rename',
  'unlink',
  'mkdir',
  'rmdir',
  'link',
  'mark',
  'unknown',
] as const
const HEAD_BYTES = 32
/** A life that takes longer has come to a halt. */
const LONGEST_MS = 180_000

export interface Step {
  readonly kind: (typeof KINDS)[number]
  /** Each has its own fds. */
  readonly process: number
  readonly fd: number
  /** Joins `write` with `written`, and `sync` with `synced`. */
  readonly id: number
  readonly created: boolean
  readonly truncated: boolean
  /** Opened with, or written under, O_DSYNC. */
  readonly eachSynced: boolean
  readonly path: string
  readonly other: string
  /** Of a write: where; of a truncate: how long. */
  readonly at: number
  readonly data: Buffer
}

/** A file's bytes, or null for a folder; parents come first. */
export type Tree = readonly (readonly [path: string, bytes: Buffer | null])[]

export interface Recording {
  /** What was there before, durably. */
  readonly base: Tree
  /** What was promised before. */
  readonly before: readonly Mark[]
  readonly steps: readonly Step[]
  /** Of the steps that are marks. */
  readonly marks: ReadonlyMap<number, Mark>
  readonly work: Work
}

export function compileRecorder(folder: string): string {
  const library = join(folder, 'recorder.so')
  const source = join(import.meta.dirname, 'recorder.c')
  execFileSync('cc', ['-O2', '-shared', '-fPIC', '-o', library, source, '-ldl', '-lpthread'])
  return library
}

/** One life of the workload, of one process or of two. `root` stands for the disk, the log's folder is in it. */
export async function record(options: {
  readonly library: string
  readonly root: string
  readonly trace: string
  readonly work: Work
  /** The process is killed after so many records; of two, which one is. */
  readonly killAfter?: number
  readonly killed?: Role
}): Promise<Step[]> {
  const { root, trace, work } = options
  mkdirSync(dirname(trace), { recursive: true })
  if (work.halves) {
    const uplink = run('uplink', options)
    await run('field', options).ended
    // It sees the end of what was written, and confirms some of it.
    await new Promise((resolve) => setTimeout(resolve, 200))
    uplink.child.kill('SIGTERM')
    await uplink.ended
  } else await run('both', options).ended
  return parse(readFileSync(trace), root)
}

function run(role: Role, options: Parameters<typeof record>[0]): { child: ChildProcess; ended: Promise<void> } {
  const { library, root, trace, work, killAfter, killed = role } = options
  const words = [join(import.meta.dirname, 'workload.ts'), join(root, 'log'), `${trace}.marks`, role]
  const child = spawn(process.execPath, words, {
    stdio: ['pipe', 'ignore', 'pipe'],
    timeout: LONGEST_MS,
    env: {
      ...process.env,
      LD_PRELOAD: library,
      FIELDGATE_POWER_ROOT: root,
      FIELDGATE_POWER_TRACE: trace,
      FIELDGATE_POWER_MARKS: `${trace}.marks`,
      FIELDGATE_POWER_SYNC_US: role === 'both' ? '1500' : '8000',
      ...(killAfter !== undefined && killed === role && { FIELDGATE_POWER_KILL: String(killAfter) }),
    },
  })
  let said = ''
  child.stderr.on('data', (chunk) => {
    said += chunk
  })
  child.stdin.end(JSON.stringify(work))
  const ended = once(child, 'close').then(([code, signal]) => {
    const asked = signal === 'SIGKILL' && killAfter !== undefined
    if (code !== 0 && !asked) throw new Error(`the workload ended with ${signal ?? code}: ${said}`)
  })
  return { child, ended }
}

/** Writes the recording where the judges' processes find it. */
export function store(recording: Recording, path: string): void {
  const { base, before, steps, marks, work } = recording
  const blobs: Buffer[] = []
  let at = 0
  const put = (bytes: Buffer): [number, number] => {
    blobs.push(bytes)
    at += bytes.length
    return [at - bytes.length, bytes.length]
  }
  const told = JSON.stringify({
    base: base.map(([name, bytes]) => [name, bytes && put(bytes)]),
    steps: steps.map((step) => ({ ...step, data: put(step.data) })),
    marks: [...marks],
    before,
    work,
  })
  writeFileSync(`${path}.bytes`, Buffer.concat(blobs))
  writeFileSync(path, told)
}

export function load(path: string): Recording {
  const bytes = readFileSync(`${path}.bytes`)
  const get = ([at, length]: readonly [number, number]): Buffer => bytes.subarray(at, at + length)
  const told = JSON.parse(readFileSync(path, 'utf8'))
  return {
    base: told.base.map(([name, place]: [string, [number, number] | null]) => [name, place && get(place)]),
    steps: told.steps.map((step: Step & { data: [number, number] }) => ({ ...step, data: get(step.data) })),
    marks: new Map(told.marks),
    before: told.before,
    work: told.work,
  }
}

export function marksOf(steps: readonly Step[]): Map<number, Mark> {
  const marks = new Map<number, Mark>()
  for (const [index, { kind, data }] of steps.entries()) {
    if (kind === 'mark') marks.set(index, JSON.parse(data.toString()) as Mark)
  }
  return marks
}

function parse(trace: Buffer, root: string): Step[] {
  const steps: Step[] = []
  for (let at = 0; at < trace.length; ) {
    const flags = trace.readUInt8(at + 1)
    const lengths = [trace.readUInt16LE(at + 2), trace.readUInt16LE(at + 4), trace.readUInt32LE(at + 16)] as const
    const from = at + HEAD_BYTES
    const name = (start: number, length: number): string =>
      trace.toString('utf8', start, start + length).slice(root.length + 1)
    const step: Step = {
      kind: KINDS[trace.readUInt8(at) - 1]!,
      process: trace.readUInt32LE(at + 20),
      fd: trace.readInt32LE(at + 8),
      id: trace.readInt32LE(at + 12),
      created: (flags & 1) !== 0,
      truncated: (flags & 2) !== 0,
      eachSynced: (flags & 4) !== 0,
      path: name(from, lengths[0]),
      other: name(from + lengths[0], lengths[1]),
      at: Number(trace.readBigUInt64LE(at + 24)),
      data: trace.subarray(from + lengths[0] + lengths[1], from + lengths[0] + lengths[1] + lengths[2]),
    }
    if (step.kind === 'unknown') {
      throw new Error(
        `the store calls ${trace.toString('utf8', from, from + lengths[0])}, which the recorder does not know`,
      )
    }
    steps.push(step)
    at = from + lengths[0] + lengths[1] + lengths[2]
  }
  return steps
}
