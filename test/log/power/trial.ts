/** Records a log at work, cuts its power after many of the steps it made, and judges what the disk may then hold. */

import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { seeded } from '../../../hal/simulated/random.ts'
import { choicesAt, pointsOf } from './cuts.ts'
import { Disk, type Faults, untouched } from './disk.ts'
import { type Found, type Job, judgeAll } from './jury.ts'
import { owed } from './ledger.ts'
import type { Role, Work } from './marks.ts'
import { lay } from './place.ts'
import { compileRecorder, marksOf, type Recording, record, type Step, store, type Tree } from './recording.ts'

/** Per point, at most. Fewer differ. */
const CHOICES = 12
/** About so many differ. */
const DIFFERENT = 10
const POINTS_A_JOB = 5

export interface Outcome {
  readonly states: number
  readonly points: number
  readonly recordings: number
  readonly findings: readonly Found[]
}

interface Plan {
  readonly work: Omit<Work, 'life' | 'seed' | 'first'>
  /** So many lives are killed before the last one. */
  readonly killed: number
  /** How much of all states is of it. */
  readonly share: number
}

const ROLLING: Plan = {
  work: {
    entries: 900,
    commitEveryMs: 0,
    segmentBytes: 60_000,
    quotaBytes: 2 ** 30,
    evict: 'oldest',
    lag: 300,
    closes: true,
  },
  killed: 2,
  share: 0.3,
}
const PLANS: readonly Plan[] = [
  ROLLING,
  {
    work: { ...ROLLING.work, commitEveryMs: 3, segmentBytes: 100_000, lag: 150, closes: false },
    killed: 1,
    share: 0.2,
  },
  { work: { ...ROLLING.work, quotaBytes: 550_000, lag: 0 }, killed: 1, share: 0.1 },
  { work: { ...ROLLING.work, entries: 500, commitEveryMs: 5, halves: true }, killed: 2, share: 0.2 },
]
/** Of two halves, in turns. */
const KILLED: readonly Role[] = ['field', 'uplink']
/** Together, recoveries that are cut in their turn. */
const RECOVERED_SHARE = 0.2
const RECOVERIES = 10

export class Trial {
  readonly #folder: string
  readonly #seed: number
  readonly #library: string
  #recordings = 0
  #short: Recording | undefined

  /** `folder`: empty; best in memory. */
  constructor(folder: string, seed: number) {
    this.#folder = folder
    this.#seed = seed
    this.#library = compileRecorder(folder)
  }

  /** All plans, and recoveries from cuts of the first. */
  async whole(states: number): Promise<Outcome> {
    const parts: { recording: Recording; states: number }[] = []
    for (const { work, killed, share } of PLANS)
      parts.push({ recording: await this.#lives(work, killed), states: share * states })
    for (const start of this.#cutsOf(parts[0]!.recording))
      parts.push({ recording: await this.#recovered(start), states: (RECOVERED_SHARE * states) / RECOVERIES })
    return this.#judge(parts, { what: [] })
  }

  /** One short life with syncs left out, or a workload that promises early: ends when it is found. */
  async faulty(until: Found['kind'], faults: Faults, hasty = false): Promise<Outcome> {
    const work = { ...ROLLING.work, entries: 400, hasty }
    this.#short = this.#short?.work.hasty === hasty ? this.#short : await this.#lives(work, 0)
    return this.#judge([{ recording: this.#short, states: 500 }], faults, until)
  }

  async #lives(work: Plan['work'], killed: number): Promise<Recording> {
    const number = ++this.#recordings
    const root = this.#root(number)
    const all: Step[] = []
    const random = seeded(this.#seed + number)
    for (let life = 1; life <= killed + 1; life++) {
      const steps = await this.#life({
        root,
        work: { ...work, life, seed: this.#seed + number, first: 100_000 * life + 1 },
        ...(life <= killed && {
          killAfter: Math.floor((1 + random()) * work.entries),
          killed: work.halves ? KILLED[life % 2]! : 'both',
        }),
      })
      all.push(...steps)
      this.#compare({ base: [], steps: all }, root)
    }
    const last: Work = { ...work, life: 1, seed: this.#seed, first: 1 }
    return { base: [], before: [], steps: all, marks: marksOf(all), work: last }
  }

  /** Disks after cuts. */
  #cutsOf(recording: Recording): Recording[] {
    const disk = new Disk(recording)
    const random = seeded(this.#seed)
    return pointsOf(recording, RECOVERIES, this.#seed + 1)
      .slice(0, RECOVERIES)
      .map((point) => {
        const choices = choicesAt(disk, point, CHOICES, this.#seed)
        const choice = choices[Math.floor(random() * choices.length)]!
        const before = [...recording.marks].flatMap(([step, mark]) => (step < point ? [mark] : []))
        return { ...recording, base: disk.after(point, choice), before, steps: [], marks: new Map() }
      })
  }

  async #recovered(start: Recording): Promise<Recording> {
    const number = ++this.#recordings
    const root = this.#root(number)
    lay(start.base, root)
    const work: Work = { ...start.work, entries: 60, life: 9, seed: this.#seed + number, first: 900_001 }
    const steps = await this.#life({ root, work })
    this.#compare({ base: start.base, steps }, root)
    return { ...start, steps, marks: marksOf(steps) }
  }

  #life(options: { root: string; work: Work; killAfter?: number; killed?: Role }): Promise<Step[]> {
    const trace = join(this.#folder, `trace-${this.#recordings}-${options.work.life}`)
    return record({ library: this.#library, trace, ...options })
  }

  #root(number: number): string {
    const root = join(this.#folder, `root-${number}`)
    mkdirSync(root)
    return root
  }

  /** What was recorded comes to what is there: nothing was missed. */
  #compare({ base, steps }: { base: Tree; steps: readonly Step[] }, root: string): void {
    const disk = new Disk({
      base,
      before: [],
      steps,
      marks: new Map(),
      work: { ...ROLLING.work, life: 1, seed: 1, first: 1 },
    })
    const tree = new Map(disk.after(steps.length, untouched()))
    const real = readdirSync(root, { recursive: true, encoding: 'utf8' })
    const wrong = real.filter((path) => !tree.has(path))
    for (const [path, bytes] of tree) {
      if (!real.includes(path)) wrong.push(path)
      else if (bytes !== null && !path.endsWith('-lock') && !bytes.equals(readFileSync(join(root, path))))
        wrong.push(path)
    }
    if (wrong.length > 0) throw new Error(`the recording differs from the disk: ${wrong.join(', ')}`)
  }

  async #judge(
    parts: readonly { recording: Recording; states: number }[],
    faults: Faults,
    until?: Found['kind'],
  ): Promise<Outcome> {
    const jobs: Job[] = []
    const contradictions: Found[] = []
    let cuts = 0
    for (const [number, { recording, states }] of parts.entries()) {
      const path = join(this.#folder, `recording-${number}`)
      store(recording, path)
      try {
        owed([...recording.before, ...recording.marks.values()])
      } catch (thrown) {
        const { message } = thrown as Error
        contradictions.push({ kind: 'loss', text: message, point: 0, choice: 0, recording: path })
        continue
      }
      const points = pointsOf(recording, Math.ceil(states / DIFFERENT), this.#seed)
      cuts += points.length
      for (let from = 0; from < points.length; from += POINTS_A_JOB) {
        const some = points.slice(from, from + POINTS_A_JOB)
        jobs.push({ recording: path, faults, points: some, choices: CHOICES, seed: this.#seed })
      }
    }
    const { states, findings } = await judgeAll(jobs, this.#folder, until)
    return { states, points: cuts, recordings: parts.length, findings: [...contradictions, ...findings] }
  }
}

/** One line of figures, and after it what was found, each kind once. */
export function said({ states, points, recordings, findings }: Outcome, seconds: number, seed: number): string {
  const count = (kind: Found['kind']): number => findings.filter((finding) => finding.kind === kind).length
  const line = `power cuts: ${states} states after ${points} cuts of ${recordings} recordings: ${count('loss')} lost, ${count('invention')} invented, ${count('hand')} needed a hand, ${count('other')} otherwise wrong; ${seconds.toFixed(0)} s, seed ${seed}`
  const kinds = new Map<string, string>()
  for (const { kind, text, recording, point, choice } of findings) {
    const name = `${kind} ${text.replace(/\d+/g, '#')}`
    if (!kinds.has(name)) kinds.set(name, `  ${kind}: ${text} (${recording} ${point} ${choice})`)
  }
  return [line, ...[...kinds.values()].slice(0, 30)].join('\n')
}
