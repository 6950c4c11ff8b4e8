/** `node provision.ts MEDIUM [--keep]`: takes the set-up that lies on a mounted medium, all of it or nothing. What is taken is checked
 *  first, then removed from the medium, since it may hold secrets; report.txt there says what happened. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { consume, put, type Taken, takenFrom } from './medium.ts'

export interface Options {
  /** Where the medium is mounted. */
  readonly medium: string
  /** The root of the box. */
  readonly root: string
  /** Leaves on the medium what was taken: nothing that is written elsewhere would outlive the power. */
  readonly keep: boolean
  /** Checks this configuration; problems in words, empty if it is sound. */
  readonly check: (file: string) => string
  /** Gives the file to the group of the gateway. */
  readonly give: (file: string) => void
  readonly now: string
}

/** Whether the set-up was taken, and the report that stands on the medium. */
export async function provision(options: Options): Promise<{ readonly taken: boolean; readonly report: string }> {
  const { medium, root, keep, now } = options
  const read = takenFrom(medium)
  const problems = [...read.problems]
  const configuration = join(root, 'etc/fieldgate')
  const staged = join(root, 'data/set-up.new')
  const ours = read.taken.filter(({ name }) => name !== 'box.yaml')
  const box = read.taken.find(({ name }) => name === 'box.yaml')
  // Loaded only if there is one: on a slow processor its libraries take seconds.
  const reader = box === undefined ? undefined : await import('./box.ts')
  const boxRead = box === undefined ? undefined : reader?.readBox(box.content.toString('utf8'), 'box.yaml')
  if (boxRead?.ok === false) problems.push(...boxRead.problems)
  if (problems.length === 0 && ours.length > 0) problems.push(...checked(staged, configuration, ours, options))

  if (problems.length > 0) {
    const report = `${now}\nNothing was taken, and the box goes on as it was. Correct this and start it again:\n\n${problems.join('\n')}\n`
    writeReport(medium, report)
    return { taken: false, report }
  }
  // The configuration itself is last: whoever is cut off before it begins again at the next start.
  const last = ours.findIndex(({ name }) => name === 'gateway.yaml')
  const order = last === -1 ? ours : [...ours.toSpliced(last, 1), ours[last]!]
  for (const { name, content } of order) {
    const file = join(configuration, name)
    put(file, content, 0o640)
    options.give(file)
  }
  if (boxRead?.ok === true)
    for (const { path, content, mode } of reader?.filesOf(boxRead.box) ?? []) put(join(root, path), content, mode)
  const names = read.taken.map(({ name, sha256 }) => `  ${name}  sha256 ${sha256}`).join('\n')
  const where = keep
    ? 'It was left here: the box has no data partition that keeps it, and takes it again at every start.'
    : 'It was removed from here.'
  const report = `${now}\nTaken:\n${names}\n${where}\n`
  if (!keep) consume(read.taken)
  writeReport(medium, report)
  return { taken: true, report }
}

/** Lays what was brought over a copy of what is in force, and checks that. */
function checked(staged: string, configuration: string, ours: readonly Taken[], { check }: Options): string[] {
  mkdirSync(staged, { recursive: true, mode: 0o700 })
  spawnSync('cp', ['-a', `${configuration}/.`, staged])
  for (const { name, content } of ours) put(join(staged, name), content, 0o600)
  const said = check(join(staged, 'gateway.yaml')).replaceAll(`${staged}/`, '')
  spawnSync('rm', ['-rf', staged])
  return said === '' ? [] : [said]
}

function writeReport(medium: string, report: string): void {
  try {
    mkdirSync(join(medium, 'fieldgate'), { recursive: true })
    writeFileSync(join(medium, 'fieldgate/report.txt'), report.replaceAll('\n', '\r\n'), { flush: true })
  } catch {
    // A medium that is write-protected gets no report; the journal has it.
  }
}

if (import.meta.main) {
  const medium = process.argv[2]!
  const { taken, report } = await provision({
    medium,
    root: '/',
    keep: process.argv.includes('--keep'),
    check: (file) => {
      const { status, stderr, stdout } = spawnSync('/usr/bin/fieldgate', ['check', '--config', file], {
        encoding: 'utf8',
      })
      return status === 0 ? '' : (stderr || stdout || `fieldgate check ended with ${status}`).trim()
    },
    give: (file) => spawnSync('chgrp', ['fieldgate', file]),
    now: new Date().toISOString(),
  })
  for (const line of report.split('\n').slice(1)) if (line !== '') console.log(`<${taken ? 5 : 3}>${line}`)
  // systemd has set the name of this start from the file as it was.
  if (taken) writeFileSync('/proc/sys/kernel/hostname', readFileSync('/etc/hostname', 'utf8').trim())
  process.exitCode = taken ? 0 : 1
}
