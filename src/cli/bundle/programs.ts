/** What other programs of the box say, bounded in time and size. */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { Rejected } from '../../contracts/errors.ts'

const LONGEST_MS = 20_000
/** Beyond it the program is ended, and what it said so far is taken. */
const MOST_BYTES = 8 << 20

/** What it printed, whether it was content or not. Throws Rejected when it is not there, may not, or says nothing in time. */
export function said(program: string, ...words: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      program,
      words,
      { timeout: LONGEST_MS, maxBuffer: MOST_BYTES, env: { ...process.env, LC_ALL: 'C.UTF-8' }, encoding: 'utf8' },
      (failure, out, err) => {
        const code = (failure as NodeJS.ErrnoException | null)?.code
        if (failure === null || code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') resolve(out + err)
        else if (code === 'ENOENT') reject(new Rejected(`there is no program ${program} here`))
        else if (failure.killed === true) reject(new Rejected(`${program} did not end within ${LONGEST_MS / 1000} s`))
        else if (out.trim() === '')
          reject(new Rejected(`${program}: ${err.trim().split('\n')[0] || `it ended with ${code}`}`))
        else resolve(out + err)
      },
    )
  })
}

/** Where systemd runs the box: sd_booted(3). */
export function hasSystemd(): boolean {
  return existsSync('/run/systemd/system')
}

/** Variables that the units of the service are given: what `${env:…}` stands for there. As far as this user may see them. */
export async function unitEnvironment(): Promise<NodeJS.ProcessEnv> {
  const text = await said(
    'systemctl',
    'show',
    'fieldgate*',
    '-p',
    'Environment',
    '-p',
    'EnvironmentFiles',
    '-p',
    'MainPID',
  ).catch(() => '')
  const lines: string[] = []
  const take = (path: string, separator: RegExp): void => {
    try {
      lines.push(...readFileSync(path, 'utf8').split(separator))
    } catch {
      // Not ours to read, and so nothing that could come into the archive by us.
    }
  }
  for (const [, key, value = ''] of text.matchAll(/^(Environment|EnvironmentFiles|MainPID)=(.*)$/gm)) {
    if (key === 'Environment') lines.push(...value.split(' '))
    else if (key === 'EnvironmentFiles') take(value.replace(/ \(ignore_errors=.*\)$/, ''), /\n/)
    else if (value !== '0') take(`/proc/${value}/environ`, /\0/)
  }
  const pairs = lines.map((line) => /^\s*([A-Za-z_]\w*)=(["']?)(.*)\2\s*$/s.exec(line))
  return Object.fromEntries(pairs.flatMap((pair) => (pair === null ? [] : [[pair[1]!, pair[3]!]])))
}
