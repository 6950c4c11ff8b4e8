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
}

export interface Found extends Finding {
  readonly point: number
  readonly choice: number
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
      if (juror === undefined || juror.exitCode !== null || juror.signalCode !== null) {
        const program = join(import.meta.dirname, 'juror.ts')
        // What LMDB says of a disk that cannot be is of no use.
        const stdio = job.faults.what.length > 0 ? 'ignore' : 'inherit'
        juror = fork(program, [join(folder, `disk-${seat}`)], { stdio: ['ignore', stdio, stdio, 'ipc'] })
      }
      const { states, findings } = await heard(juror, job)
      all.states += states
      all.findings.push(...findings)
    }
    juror?.kill('SIGKILL')
  }
  await Promise.all([work(0), work(1)])
  return all
}

function heard(juror: ChildProcess, job: Job): Promise<Verdict> {
  return new Promise((resolve) => {
    let at = { point: job.points[0]!, choice: 0 }
    let states = 0
    const end = (verdict: Verdict): void => {
      clearTimeout(patience)
      juror.removeAllListeners()
      resolve(verdict)
    }
    const broken = (text: string): void => {
      juror.kill('SIGKILL')
      end({ states, findings: [{ kind: 'hand', text, ...at, recording: job.recording }] })
    }
    const patience = setTimeout(() => broken('the log does not come up or go down'), LONGEST_MS)
    juror.on('message', (message: { point: number; choice: number } | Verdict) => {
      if ('findings' in message) return end(message)
      at = message
      states++
      patience.refresh()
    })
    juror.once('exit', (code, signal) => broken(`the process ended with ${signal ?? code}`))
    juror.send(job)
  })
}
