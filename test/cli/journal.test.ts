/** What the service says: to the journal as entries, to anybody else as JSON lines. */
import { execFileSync, spawn } from 'node:child_process'
import { closeSync, existsSync, fstatSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type JournalOptions, journal } from '../../src/cli/run/journal.ts'
import { Datagrams } from '../hal/linux/kernel/datagrams.ts'
import { service, started, until } from '../peers/processes.ts'
import { keep, lacks, newFolder } from '../peers/workshop.ts'

const JOURNALD = '/lib/systemd/systemd-journald'

/** `NAME=value`, or the name, a length of eight bytes, and the value. */
function fieldsIn(message: string): Record<string, string> {
  const fields: Record<string, string> = {}
  for (let rest = Buffer.from(message, 'latin1'); rest.length > 0; ) {
    const end = rest.indexOf(0x0a)
    const line = rest.toString('latin1', 0, end)
    const at = line.indexOf('=')
    if (at >= 0) {
      fields[line.slice(0, at)] = Buffer.from(line.slice(at + 1), 'latin1').toString('utf8')
      rest = rest.subarray(end + 1)
    } else {
      const length = Number(rest.readBigUInt64LE(end + 1))
      fields[line] = rest.toString('utf8', end + 9, end + 9 + length)
      rest = rest.subarray(end + 10 + length)
    }
  }
  return fields
}

describe('what the service says', () => {
  let folder: string
  let file: string
  let fd: number
  beforeEach(() => {
    folder = newFolder()
    file = join(folder, 'stderr')
    fd = openSync(file, 'a')
  })
  afterEach(() => closeSync(fd))

  /** As systemd starts it whose stderr is the journal. */
  const under = (socket: string, env: Record<string, string> = {}, more: Partial<JournalOptions> = {}) => {
    const { dev, ino } = fstatSync(fd)
    return journal({ identifier: 'fieldgate', env: { JOURNAL_STREAM: `${dev}:${ino}`, ...env }, fd, socket, ...more })
  }
  const printed = (): string => readFileSync(file, 'utf8')

  it('is an entry with a priority and its facts as fields, where stderr is the journal', () => {
    const socket = new Datagrams()
    const log = under(socket.path)
    log.error('the log cannot be stored: Übel\nand more', {
      lateMs: 12.5,
      event: 'log.failed',
      'MiXed-key 2': true,
      underWay: ['a', 'b'],
      at: { seq: 4n },
      missing: undefined,
    })
    log.warn('w')
    log.info('i')
    log.debug('d')
    const entries = socket.take('latin1').map(fieldsIn)
    expect(entries[0]).toEqual({
      MESSAGE: 'the log cannot be stored: Übel\nand more',
      PRIORITY: '3',
      SYSLOG_IDENTIFIER: 'fieldgate',
      FIELDGATE_LATE_MS: '12.5',
      FIELDGATE_EVENT: 'log.failed',
      FIELDGATE_MI_XED_KEY_2: 'true',
      FIELDGATE_UNDER_WAY: '["a","b"]',
      FIELDGATE_AT: '{"seq":"4"}',
    })
    expect(entries.slice(1).map(({ MESSAGE, PRIORITY }) => `${PRIORITY} ${MESSAGE}`)).toEqual(['4 w', '6 i'])
    expect(printed()).toBe('')
    expect(log.lost()).toBe(0)
    socket.close()
  })

  it('says more or less as FIELDGATE_LOG wants it', () => {
    const socket = new Datagrams()
    under(socket.path, { FIELDGATE_LOG: 'debug' }).debug('d')
    under(socket.path, { FIELDGATE_LOG: 'error' }).warn('w')
    expect(socket.take().map((one) => fieldsIn(one).MESSAGE)).toEqual(['d'])
    socket.close()
  })

  it('is a JSON line where stderr has been redirected since, or never was the journal', () => {
    const socket = new Datagrams()
    const env = { JOURNAL_STREAM: '1:1' }
    const log = journal({ identifier: 'fieldgate', env, fd, socket: socket.path })
    log.warn('the clock was set', { byMs: 5 })
    const { time, ...rest } = JSON.parse(printed())
    expect(rest).toEqual({ level: 40, msg: 'the clock was set', byMs: 5 })
    expect(time).toMatch(/^\d{4}-/)
    expect(socket.take()).toEqual([])
    socket.close()
  })

  it('has its priority before the JSON line only when that was asked for', () => {
    const log = journal({
      identifier: 'fieldgate',
      env: { FIELDGATE_LOG_PRIORITIES: 'yes', FIELDGATE_LOG: 'debug' },
      fd,
    })
    for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level](level)
    expect(
      printed()
        .trim()
        .split('\n')
        .map((line) => line.slice(0, 13)),
    ).toEqual(['<7>{"level":2', '<6>{"level":3', '<4>{"level":4', '<3>{"level":5'])
  })

  it('goes on without a journal, and counts what it could not say', () => {
    const gone = join(folder, 'journal')
    const log = under(gone)
    log.info('one')
    log.error('two')
    expect(log.lost()).toBe(2)
  })

  it('does not wait for a journal that does not read, and says afterwards how much it has missed', () => {
    const socket = new Datagrams()
    const log = under(socket.path)
    for (let line = 0; line < 3000; line++) log.info(`line ${line}`)
    const lost = log.lost()
    expect(lost).toBeGreaterThan(0)
    expect(socket.take()).toHaveLength(3000 - lost)
    log.info('afterwards')
    expect(
      socket
        .take()
        .slice(-2)
        .map((one) => fieldsIn(one).MESSAGE),
    ).toEqual([`${lost} lines did not reach the journal`, 'afterwards'])
    socket.close()
  })

  it('is cut where it is larger than the journal takes', () => {
    const socket = new Datagrams()
    const log = under(socket.path)
    log.info('x'.repeat(300_000), { fact: 1 })
    const [entry] = socket.take().map(fieldsIn)
    expect(entry!.MESSAGE!.length).toBeLessThan(10_000)
    expect(log.lost()).toBe(0)
    socket.close()
  })

  it('is an error for the journal also where the service does not even start', async () => {
    const configuration = join(folder, 'gateway.yaml')
    writeFileSync(configuration, 'conections: {}\nsinks: 7\n')
    const { dev, ino } = fstatSync(fd)
    const [command, words, env] = service('run', '--config', configuration)
    const child = spawn(command, words, {
      stdio: ['ignore', 'ignore', fd],
      env: { ...process.env, ...env, JOURNAL_STREAM: `${dev}:${ino}` },
    })
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(3)
    const lines = printed().trim().split('\n')
    expect(lines.length).toBeGreaterThan(1)
    for (const line of lines) expect(line).toMatch(/^<3>.*gateway\.yaml:\d+:\d+: /)
  })

  it.skipIf(lacks('a real journal', JOURNALD, '/usr/bin/journalctl') || process.getuid!() !== 0)(
    'is found again by journalctl with all its fields',
    async () => {
      const namespace = `fieldgate-test-${process.pid}`
      const place = `/run/systemd/journal.${namespace}`
      const machine = readFileSync('/etc/machine-id', 'utf8').trim()
      try {
        const marker = /\n/
        const daemon = started('/bin/sh', ['-c', `echo; exec ${JOURNALD} ${namespace}`], marker)
        await keep(daemon)
        await until('the journal', () => existsSync(`${place}/socket`))
        const log = under(`${place}/socket`)
        log.error('the watchdog is not fed:\nconnection bus1', { event: 'watchdog.withheld', lateMs: 800 })
        const ask = (): string =>
          execFileSync(
            'journalctl',
            [`--namespace=${namespace}`, '-o', 'json', '-p', 'err', '-t', 'fieldgate', '--no-pager'],
            {
              encoding: 'utf8',
            },
          )
        const line = await until('the entry', () => ask().trim() || undefined)
        expect(JSON.parse(line)).toMatchObject({
          MESSAGE: 'the watchdog is not fed:\nconnection bus1',
          PRIORITY: '3',
          FIELDGATE_EVENT: 'watchdog.withheld',
          FIELDGATE_LATE_MS: '800',
          _TRANSPORT: 'journal',
        })
      } finally {
        for (const path of [
          place,
          `/var/log/journal/${machine}.${namespace}`,
          `/run/log/journal/${machine}.${namespace}`,
        ]) {
          rmSync(path, { recursive: true, force: true })
        }
      }
    },
  )
})
