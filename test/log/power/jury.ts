/** Two processes that judge: a disk that brings one down, or lets it wait for ever, is a finding and not the end. */
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import type { Faults } from './disk.ts'
import type { Finding } from './judge.ts'

export interface Job {
  /** Where the recording was stored. */
  readonly recording: string
  readonly faults: Faults
  readonly points: readonly number[]
  /** Per point, at most. */
  readonly choices: number
  readonly seed: number
  /** Up to here another has judged: goes on behind it. */
  readonly after?: Cut
}

export interface Cut {
  readonly point: number
  readonly choice: number
}

/** What a juror says. */
export type Heard =
  | ({ readonly what: 'opening' } & Cut)
  | { readonly what: 'found'; readonly findings: readonly Finding[] }
  | { readonly what: 'done' }

export interface Found extends Finding, Cut {
  /** Where it was stored. */
  readonly recording: string
}

export interface Verdict {
  states: number
  readonly findings: Found[]
}

/** A disk that takes longer has brought the log to a halt. */
const LONGEST_MS = 60_000
/** A juror is replaced after so many jobs: the library keeps a little of every environment it ever opened. */
const JOBS = 60

/** `until`: what ends it early. */
export async function judgeAll(jobs: readonly Job[], folder: string, until?: Finding['kind']): Promise<Verdict> {
  const all: Verdict = { states: 0, findings: [] }
  const left = [...jobs]
  const work = async (seat: number): Promise<void> => {
    let juror: ChildProcess | undefined
    for (let done = 0; ; done++) {
      const job = left.shift()
      if (job === undefined || all.findings.some(({ kind }) => kind === until)) break
      if (done % JOBS === 0) {
        juror?.kill('SIGKILL')
        juror = undefined
      }
      juror ??= engaged(join(folder, `disk-${seat}`), job)
      const rest = await heard(juror, job, all)
      if (rest === undefined) continue
      juror = undefined
      left.push(rest)
    }
    juror?.kill('SIGKILL')
  }
  await Promise.all([work(0), work(1)])
  return all
}

function engaged(folder: string, job: Job): ChildProcess {
  // What LMDB says of a disk that cannot be is of no use.
  const stdio = job.faults.what.length > 0 ? 'ignore' : 'inherit'
  return fork(join(import.meta.dirname, 'juror.ts'), [folder], { stdio: ['ignore', stdio, stdio, 'ipc'] })
}

/** What is left of the job, if the juror is gone. */
function heard(juror: ChildProcess, job: Job, all: Verdict): Promise<Job | undefined> {
  return new Promise((resolve) => {
    const begun: Cut = { point: job.points[0]!, choice: -1 }
    let at = begun
    const find = (finding: Finding): void => void all.findings.push({ ...finding, ...at, recording: job.recording })
    const end = (rest: Job | undefined): void => {
      clearTimeout(patience)
      juror.removeAllListeners()
      resolve(rest)
    }
    const broken = (text: string): void => {
      juror.kill('SIGKILL')
      find({ kind: 'hand', text })
      const points = job.points.filter((point) => point >= at.point)
      // Without a disk to blame the next juror would fare no better.
      end(at === begun ? { ...job, points: [] } : { ...job, points, after: at })
    }
    const patience = setTimeout(() => broken('the log does not come up or go down'), LONGEST_MS)
    juror.on('message', (said: Heard) => {
      if (said.what === 'done') return end(undefined)
      if (said.what === 'found') return said.findings.forEach(find)
      const { point, choice } = said
      at = { point, choice }
      all.states++
      patience.refresh()
    })
    juror.once('exit', (code, signal) => broken(`the process ended with ${signal ?? code}`))
    juror.send(job)
  })
}
