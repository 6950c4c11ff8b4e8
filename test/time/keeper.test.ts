import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { askKeeper } from '../../src/time/keeper.ts'
import { batteryAgrees, EARLIEST, savedTime } from '../../src/time/saved.ts'

const all = mkdtempSync(join(tmpdir(), 'fieldgate-keeper-'))
afterAll(() => rmSync(all, { recursive: true, force: true }))
let roots = 0
const NOW = Date.UTC(2026, 5, 1)

/** A system's files: a text, or when it was touched. */
function system(files: Readonly<Record<string, string | number>>): string {
  const root = join(all, String(++roots))
  for (const [path, content] of Object.entries(files)) {
    if (path.endsWith('/')) mkdirSync(root + path, { recursive: true })
    else {
      mkdirSync(dirname(root + path), { recursive: true })
      writeFileSync(root + path, typeof content === 'string' ? content : '')
      if (typeof content === 'number') utimesSync(root + path, content / 1000, content / 1000)
    }
  }
  return root
}

/** What is known, and which programs were asked. */
async function ask(
  files: Readonly<Record<string, string | number>>,
  answers: Readonly<Record<string, string>> = {},
): Promise<readonly [string | undefined, readonly string[]]> {
  const asked: string[] = []
  const run = async (program: string, words: readonly string[]): Promise<string | undefined> => {
    asked.push([program, ...words].join(' '))
    return answers[program]
  }
  return [await askKeeper({ root: system(files), run, now: () => NOW }), asked]
}

describe('whether the clock is set', () => {
  it('is read from timesyncd’s file, which stays when the server is lost: then its age counts', async () => {
    const file = '/run/systemd/timesync/synchronized'
    expect(await ask({ '/run/systemd/timesync/': '', '/run/systemd/system/': '' })).toEqual(['unsynced', []])
    expect(await ask({ [file]: NOW - 2_048_000 })).toEqual(['synced', []])
    expect(await ask({ [file]: NOW - 3 * 3_600_000 })).toEqual(['holdover', []])
    // Touched under a time that is gone: somebody else has set the clock back since.
    expect(await ask({ [file]: NOW + 86_400_000 })).toEqual(['holdover', []])
  })

  it('is asked of chrony', async () => {
    const asked = ['chronyc -c -n tracking']
    const lost =
      '00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,1.000000000,1.000000000,0.0,Not synchronised\n'
    const normal =
      'C0A80101,192.168.1.1,3,1776153600.123456,0.000123,0.000045,0.000067,12.345,0.010,0.250,0.001200,0.004500,64.0,Normal\n'
    const files = { '/run/chrony/': '', '/run/systemd/system/': '' }
    expect(await ask(files, { chronyc: lost })).toEqual(['unsynced', asked])
    expect(await ask(files, { chronyc: normal })).toEqual(['synced', asked])
    expect(await ask(files, { chronyc: normal.replace('Normal', 'Insert second') })).toEqual(['synced', asked])
    // "local": it serves its own clock for want of a better one.
    expect(await ask(files, { chronyc: normal.replace('C0A80101', '7F7F0101') })).toEqual(['unsynced', asked])
  })

  it('is asked of the kernel through timedatectl, whoever else keeps the clock', async () => {
    const files = { '/run/systemd/system/': '' }
    const asked = ['timedatectl show -p NTP -p NTPSynchronized']
    expect(await ask(files, { timedatectl: 'NTP=yes\nNTPSynchronized=yes\n' })).toEqual(['synced', asked])
    expect(await ask(files, { timedatectl: 'NTP=no\nNTPSynchronized=yes\n' })).toEqual(['synced', asked])
    expect(await ask(files, { timedatectl: 'NTP=yes\nNTPSynchronized=no\n' })).toEqual(['unsynced', asked])
    expect(await ask(files, { timedatectl: 'NTP=no\nNTPSynchronized=no\n' })).toEqual(['unknown', asked])
    expect((await ask({ ...files, '/run/chrony/': '' }, { timedatectl: 'NTP=yes\nNTPSynchronized=no\n' }))[0]).toBe(
      'unsynced',
    )
  })

  it('is unknown where there is nobody to ask, and left as it was when the one there is does not answer', async () => {
    expect(await ask({})).toEqual(['unknown', []])
    expect((await ask({ '/run/systemd/system/': '' }))[0]).toBeUndefined()
    expect((await ask({ '/run/chrony/': '' }))[0]).toBeUndefined()
    expect((await ask({ '/run/chrony/': '' }, { chronyc: '506 Cannot talk to daemon\n' }))[0]).toBeUndefined()
  })
})

describe('what the box remembers of time', () => {
  it('is the latest of the image’s build, timesyncd’s file and fake-hwclock’s', () => {
    expect(savedTime(system({}))).toBe(EARLIEST)
    expect(savedTime(system({ '/usr/lib/clock-epoch': NOW }))).toBe(NOW)
    expect(savedTime(system({ '/usr/lib/clock-epoch': NOW, '/var/lib/systemd/timesync/clock': NOW + 5000 }))).toBe(
      NOW + 5000,
    )
    expect(savedTime(system({ '/etc/fake-hwclock.data': '2027-02-03 04:05:06\n', '/usr/lib/clock-epoch': NOW }))).toBe(
      Date.UTC(2027, 1, 3, 4, 5, 6),
    )
    expect(savedTime(system({ '/etc/fake-hwclock.data': 'torn', '/usr/lib/clock-epoch': 0 }))).toBe(EARLIEST)
    expect(savedTime(system({ '/etc/fake-hwclock.data': '2039-02-03 04:05:06' }))).toBe(Date.UTC(2039, 1, 3, 4, 5, 6))
  })

  it('is confirmed by a clock with a battery that shows the same', () => {
    const battery = (text: string): string => system({ '/sys/class/rtc/rtc0/since_epoch': text })
    expect(batteryAgrees(NOW, battery(`${NOW / 1000 + 60}\n`))).toBe(true)
    expect(batteryAgrees(NOW, battery(`${NOW / 1000 - 7200}\n`))).toBe(false)
    expect(batteryAgrees(0, battery('\n'))).toBe(false)
    expect(batteryAgrees(0, system({}))).toBe(false)
  })
})
