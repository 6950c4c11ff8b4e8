/** A process that judges: builds the disks after the cuts it is given, and opens each. A disk that kills it is a finding of
 *  whoever started it. Usage: node juror.ts FOLDER, jobs by message (jury.ts). */
import { hash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { choicesAt } from './cuts.ts'
import { Disk } from './disk.ts'
import { judge } from './judge.ts'
import type { Heard, Job } from './jury.ts'
import { owed } from './ledger.ts'
import { lay } from './place.ts'
import { load, type Recording } from './recording.ts'

const [folder] = process.argv.slice(2) as [string]
const tried = new Set<string>()
let disks = 0
let known: { readonly of: string; readonly recording: Recording; readonly disk: Disk } | undefined

const say = (heard: Heard): void => void process.send!(heard)

async function tryAll(job: Job): Promise<void> {
  const of = `${job.recording} ${JSON.stringify(job.faults)}`
  if (known?.of !== of) {
    const recording = load(job.recording)
    known = { of, recording, disk: new Disk(recording, job.faults) }
    tried.clear()
  }
  const { recording, disk } = known
  for (const point of job.points) {
    const before = [
      ...recording.before,
      ...[...recording.marks].flatMap(([step, mark]) => (step < point ? [mark] : [])),
    ]
    const promised = owed(before)
    for (const [number, choice] of choicesAt(disk, point, job.choices, job.seed).entries()) {
      if (job.after !== undefined && point === job.after.point && number <= job.after.choice) continue
      const tree = disk.after(point, choice)
      const key = [promised.marks, ...tree.map(([path, bytes]) => `${path} ${bytes && hash('sha1', bytes)}`)].join()
      if (tried.has(key)) continue
      tried.add(key)
      say({ what: 'opening', point, choice: number })
      // The library tells environments by their path.
      const place = join(folder, String(++disks))
      lay(tree, place)
      const findings = await judge(join(place, 'log'), promised, recording.work)
      rmSync(place, { recursive: true, force: true })
      if (findings.length > 0) say({ what: 'found', findings })
    }
  }
  say({ what: 'done' })
}

process.on('message', (job: Job) => {
  void tryAll(job)
})
