/** Whoever keeps the system's clock is asked whether it is set: timesyncd by its file, chrony by its command, any other through
 *  timedatectl, which asks the kernel. */
import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import type { Known } from './wall.ts'

/** timesyncd asks its server at least each 2048 s: after three times of silence the clock runs on its own. */
const FRESH_MS = 3 * 2_048_000
/** The service does not begin before it has an answer, or has waited so long for it. */
const ANSWER_MS = 2000
/** chrony's name for its own clock, when it is told to serve it for want of a better one. */
const ITSELF = '7F7F0101'

export interface Asking {
  /** Where the system's files are; for tests. */
  readonly root?: string
  /** What a program prints; undefined: it is not there, or failed. */
  readonly run?: (program: string, words: readonly string[]) => Promise<string | undefined>
  /** UTC ms, as the system shows it. */
  readonly now?: () => number
}

/** undefined: no answer this time. Never rejects. */
export async function askKeeper({ root = '', run = output, now = Date.now }: Asking = {}): Promise<Known | undefined> {
  const exists = async (path: string): Promise<boolean> => (await touchedAt(root + path)) !== undefined
  if (await exists('/run/systemd/timesync')) {
    // The file stays when the server is lost: only its age says so.
    const at = await touchedAt(`${root}/run/systemd/timesync/synchronized`)
    if (at === undefined) return 'unsynced'
    return Math.abs(now() - at) <= FRESH_MS ? 'synced' : 'holdover'
  }
  const withChrony = await exists('/run/chrony')
  if (withChrony) {
    const said = chronySays((await run('chronyc', ['-c', '-n', 'tracking'])) ?? '')
    if (said !== undefined) return said
  }
  // The folder is there when systemd runs the box: sd_booted(3).
  if (!(await exists('/run/systemd/system'))) return withChrony ? undefined : 'unknown'
  const said = await run('timedatectl', ['show', '-p', 'NTP', '-p', 'NTPSynchronized'])
  return said === undefined ? undefined : kernelSays(said)
}

/** `C0A80101,192.168.1.1,3,…,Normal`: the reference first, whether it is synchronised last. */
function chronySays(line: string): Known | undefined {
  const fields = line.trim().split(',')
  if (fields.length < 14) return undefined
  return fields.at(-1) === 'Not synchronised' || fields[0] === ITSELF ? 'unsynced' : 'synced'
}

/** NTPSynchronized is the kernel's own error bound below 16 s, whoever sets it; it is lost nine hours after the source. */
function kernelSays(text: string): Known {
  if (/^NTPSynchronized=yes$/m.test(text)) return 'synced'
  return /^NTP=yes$/m.test(text) ? 'unsynced' : 'unknown'
}

async function touchedAt(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs
  } catch {
    return undefined
  }
}

function output(program: string, words: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(program, words, { timeout: ANSWER_MS }, (failed, text) => resolve(failed === null ? text : undefined))
  })
}
