/** What the service says. Where stderr is the journal, a line is an entry with a priority and its facts as fields; anywhere else it
 *  is a JSON document on stderr: `{"level", "time", "msg", …}`. A journal that takes nothing stops nobody. */
import { pino } from 'pino'
import { type Datagram, openDatagram, sendNow } from '../../../hal/linux/kernel/datagram.ts'
import type { Logger } from '../../contracts/component.ts'
import { isJournal } from '../journal-stream.ts'

type Level = keyof Logger

export interface Journal extends Logger {
  /** Lines that reached nobody. */
  lost(): number
}

export interface JournalOptions {
  /** SYSLOG_IDENTIFIER: what `journalctl -t` asks for. */
  readonly identifier: string
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Where the journal listens. */
  readonly socket?: string
  /** In place of stderr. */
  readonly fd?: number
}

const ORDER: readonly string[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']
/** syslog(3), as journalctl -p takes them. */
const PRIORITY: Readonly<Record<Level, number>> = { debug: 7, info: 6, warn: 4, error: 3 }
/** systemd.journal-fields(7) allows 64 characters: capitals, digits and underscores. */
const LONGEST_NAME = 64
/** Of a line that is too large for one datagram, so much is said. */
const MOST_SAID = 8192

/** FIELDGATE_LOG is the least level that is said; FIELDGATE_LOG_PRIORITIES=yes puts `<3>` before a JSON line, as sd-daemon(3) has
 *  it, for whoever brings stderr to a journal. */
export function journal(options: JournalOptions): Journal {
  const { env = process.env, fd = 2 } = options
  const given = env.FIELDGATE_LOG ?? 'info'
  const level = ORDER.includes(given) ? given : 'info'
  return isJournal(fd, env.JOURNAL_STREAM)
    ? native({ ...options, fd, level })
    : documents({ ...options, fd, level, env })
}

function documents(options: {
  readonly fd: number
  readonly level: string
  readonly env: Readonly<Record<string, string | undefined>>
}): Journal {
  const { fd, level, env } = options
  let lost = 0
  const out = pino.destination({ fd, sync: true })
  // A reader that has left must not end the service.
  out.on('error', () => lost++)
  const isMarked = env.FIELDGATE_LOG_PRIORITIES === 'yes'
  const lines = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    isMarked ? { write: (line: string) => out.write(`<${priorityIn(line)}>${line}`) } : out,
  )
  const say =
    (at: Level) =>
    (text: string, facts: object = {}): void =>
      lines[at](facts, text)
  return { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error'), lost: () => lost }
}

/** Of a line that pino has written: its number is ten times what stands in `ORDER`. */
function priorityIn(line: string): number {
  const number = Number(/^\{"level":(\d+)/.exec(line)?.[1])
  return PRIORITY[(ORDER[number / 10 - 1] ?? 'info') as Level] ?? PRIORITY.info
}

function native(options: JournalOptions & { readonly fd: number; readonly level: string }): Journal {
  const { identifier, fd, level, socket: path = '/run/systemd/journal/socket' } = options
  let socket: Datagram | undefined
  let [lost, untold] = [0, 0]
  const send = (bytes: Buffer): void => {
    socket ??= openDatagram(path)
    socket.send(bytes)
  }
  const say = (at: Level, text: string, facts: object): void => {
    if (ORDER.indexOf(at) < ORDER.indexOf(level)) return
    const head = { MESSAGE: text, PRIORITY: PRIORITY[at], SYSLOG_IDENTIFIER: identifier }
    try {
      if (untold > 0) {
        const message = `${untold} lines did not reach the journal`
        send(entryOf({ ...head, MESSAGE: message, PRIORITY: PRIORITY.warn, FIELDGATE_EVENT: 'journal.lost' }))
        untold = 0
      }
      try {
        send(entryOf({ ...head, ...fieldsOf(facts) }))
      } catch (thrown) {
        if ((thrown as { code?: string }).code !== 'EMSGSIZE') throw thrown
        send(entryOf({ ...head, MESSAGE: `${text.slice(0, MOST_SAID)} …` }))
      }
    } catch {
      // The journal reads what a service prints, too, and keeps it while it is started anew. A full one is not waited for.
      if (sendNow(fd, Buffer.from(`<${PRIORITY[at]}>${text.replaceAll('\n', ' ')}\n`))) return
      lost++
      untold++
    }
  }
  return {
    debug: (text, facts = {}) => say('debug', text, facts),
    info: (text, facts = {}) => say('info', text, facts),
    warn: (text, facts = {}) => say('warn', text, facts),
    error: (text, facts = {}) => say('error', text, facts),
    lost: () => lost,
  }
}

/** The native protocol of the journal: `NAME=value`, or where the value has lines of its own the name, its length in eight bytes,
 *  and the value (systemd, "Native Journal Protocol"). */
function entryOf(fields: Readonly<Record<string, string | number>>): Buffer {
  const parts = Object.entries(fields).map(([name, value]) => {
    const bytes = Buffer.from(String(value))
    if (!bytes.includes(0x0a)) return Buffer.concat([Buffer.from(`${name}=`), bytes, Buffer.from('\n')])
    const length = Buffer.alloc(8)
    length.writeBigUInt64LE(BigInt(bytes.length))
    return Buffer.concat([Buffer.from(`${name}\n`), length, bytes, Buffer.from('\n')])
  })
  return Buffer.concat(parts)
}

/** `lateMs` is FIELDGATE_LATE_MS. What is no plain value is JSON. */
function fieldsOf(facts: object): Record<string, string> {
  const fields: Record<string, string> = {}
  for (const [key, value] of Object.entries(facts)) {
    if (value === undefined) continue
    const words = key.replace(/([a-z0-9])([A-Z])/g, '$1_$2').replace(/[^A-Za-z0-9]+/g, '_')
    const name = `FIELDGATE_${words.toUpperCase()}`.slice(0, LONGEST_NAME)
    fields[name] = textOf(value)
  }
  return fields
}

function textOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  if (value instanceof Error) return value.stack ?? value.message
  try {
    return JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? String(each) : each))
  } catch {
    return String(value)
  }
}
