/** What the button asks for and this box alone knows how to do: programs of the image, `setup` and `factory-reset`. They run with the
 *  rights of the service; those that need more leave a flag for a unit that has them. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const FOLDER = '/usr/lib/fieldgate'
const TIMEOUT_MS = 60_000

interface Carried {
  readonly begun: boolean
  readonly text: string
}

const PROGRAMS = { 'set-up': 'setup', 'factory-reset': 'factory-reset' } as const

/** Resolves whatever became of it. */
export function runHook(gesture: keyof typeof PROGRAMS, folder = FOLDER): Promise<Carried> {
  const program = join(folder, PROGRAMS[gesture])
  if (!existsSync(program)) {
    return Promise.resolve({ begun: false, text: `there is no ${gesture} on this box: ${program} is not there` })
  }
  return new Promise((resolve) => {
    const refuse = (why: string): void => resolve({ begun: false, text: `${program} ${why}` })
    execFile(program, [], { timeout: TIMEOUT_MS }, (error, out, err) => {
      const said = `${out}\n${err}`.trim().split('\n').at(-1) ?? ''
      const words = said === '' ? '' : `: ${said}`
      if (error === null) resolve({ begun: true, text: `${gesture} was begun${words}` })
      else if (error.killed === true) refuse(`did not end within ${TIMEOUT_MS / 1000} s`)
      else refuse(`failed${error.code === undefined ? '' : ` with ${error.code}`}${words}`)
    })
  })
}
