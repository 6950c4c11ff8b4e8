/** Who has a port, from the files of /proc: a planted tree, and real processes on a real terminal. */
import { type ChildProcess, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { holderOf, suspectOf } from '../../../../hal/linux/serial/holder.ts'
import { ended, started } from '../../../peers/processes.ts'

let root: string
let device: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fieldgate-proc-'))
  plant('dev/ttyUSB0', '')
  plant('proc/cmdline', 'BOOT_IMAGE=/vmlinuz console=tty1 quiet\n')
  plant('proc/consoles', 'tty1                 -WU (EC p  )    4:1\n')
  plant('proc/locks', '')
  device = join(realpathSync(root), 'dev/ttyUSB0')
})
afterEach(() => rmSync(root, { recursive: true }))

function plant(file: string, text: string): void {
  const path = join(root, file)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

/** A process with these files open. */
function process_(
  pid: number,
  options: { name?: string; unit?: string; open?: readonly string[]; words?: readonly string[] },
): void {
  const { name = 'minicom', unit, open = [], words = [name] } = options
  plant(`proc/${pid}/cmdline`, `${words.join('\0')}\0`)
  plant(`proc/${pid}/comm`, `${name}\n`)
  plant(`proc/${pid}/stat`, `${pid} (${name}) S`)
  plant(`proc/${pid}/cgroup`, unit === undefined ? '0::/user.slice/session-2.scope\n' : `0::/system.slice/${unit}\n`)
  mkdirSync(join(root, `proc/${pid}/fd`), { recursive: true })
  for (const [at, file] of ['/dev/null', ...open].entries()) symlinkSync(file, join(root, `proc/${pid}/fd/${at}`))
}

const holder = () => holderOf(device, root)

describe('a port', () => {
  test('that nobody has is free', async () => {
    process_(40, { open: ['/dev/ttyUSB1'] })
    expect(await holder()).toBeNull()
  })

  test('that a program has open names it, its process, and how to end it', async () => {
    process_(712, { open: [device] })
    expect(await holder()).toEqual({
      who: 'another program, minicom (process 712)',
      remedy: 'stop it ("sudo kill 712")',
      fieldgate: false,
    })
  })

  test('that a service has open names the unit to stop', async () => {
    process_(712, { name: 'gpsd', unit: 'gpsd.service', open: [device] })
    expect((await holder())!.remedy).toBe('"sudo systemctl stop gpsd.service", or take the port from it')
  })

  test.each([
    ['ModemManager', /systemctl disable --now ModemManager.*ID_MM_PORT_IGNORE/],
    ['agetty', /login prompt.*serial-getty@ttyUSB0\.service/],
    ['login', /serial-getty@ttyUSB0/],
    ['brltty', /Braille/],
  ])('that %s has says what to do about it', async (name, remedy) => {
    process_(712, { name, open: [device] })
    expect((await holder())!.remedy).toMatch(remedy)
  })

  test('that another user has locked is found by the lock, which everybody may see', async () => {
    process_(712, {})
    rmSync(join(root, 'proc/712/fd'), { recursive: true })
    plant('proc/locks', `1: POSIX  ADVISORY  READ 9 00:1a:77 0 EOF\n2: FLOCK  ADVISORY  WRITE 712 ${fileId()} 0 EOF\n`)
    expect((await holder())!.who).toBe('another program, minicom (process 712)')
  })

  test('that somebody has locked of whom nothing may be seen says so', async () => {
    plant('proc/locks', `2: FLOCK  ADVISORY  WRITE 712 ${fileId()} 0 EOF\n`)
    expect(await holder()).toEqual({
      who: 'another program, process 712, of which this user may see no more',
      remedy: `"sudo fuser -v ${device}" names it`,
      fieldgate: false,
    })
    plant('proc/locks', `2: OFDLCK ADVISORY  WRITE -1 ${fileId()} 0 EOF\n`)
    expect((await holder())!.who).toBe('another program')
  })

  test('that a login prompt of root waits at is found by what it was started with', async () => {
    process_(712, { name: 'agetty', words: ['/sbin/agetty', '-o', '-p -- \\u', '115200', 'ttyUSB0', 'vt220'] })
    rmSync(join(root, 'proc/712/fd'), { recursive: true })
    expect((await holder())!.remedy).toMatch(/serial-getty@ttyUSB0/)
    process_(713, { name: 'vi', words: ['vi', 'ttyUSB0'] })
    rmSync(join(root, 'proc/712'), { recursive: true })
    rmSync(join(root, 'proc/713/fd'), { recursive: true })
    expect(await holder()).toBeNull()
  })

  test('that another gateway has says so', async () => {
    process_(712, { name: 'node', words: ['/usr/lib/fieldgate/bin/node', 'run'], open: [device] })
    expect(await holder()).toMatchObject({ who: 'another Fieldgate (process 712)', fieldgate: true })
  })

  test('that was refused, by somebody who cannot be seen, is guessed at', () => {
    expect(suspectOf(device, root)).toEqual({
      who: 'another program, which this user may not see',
      remedy: `"sudo fuser -v ${device}" names it`,
      fieldgate: false,
    })
    process_(700, { name: 'ModemManager' })
    expect(suspectOf(device, root)).toMatchObject({
      who: 'another program, probably ModemManager (process 700)',
      remedy: expect.stringContaining('ID_MM_PORT_IGNORE'),
    })
    process_(712, { name: 'mbusd', words: ['mbusd', '-p', device] })
    expect(suspectOf(device, root).who).toBe('another program, probably mbusd (process 712)')
  })

  test('that somebody only waits for is free', async () => {
    process_(712, {})
    plant('proc/locks', `2: -> FLOCK  ADVISORY  WRITE 712 ${fileId()} 0 EOF\n`)
    expect(await holder()).toBeNull()
  })

  test('with a lock file of a living process is taken, with one of a dead process it is free', async () => {
    plant('run/lock/LCK..ttyUSB0', '       712\n')
    expect(await holder()).toBeNull()
    process_(712, {})
    expect((await holder())!.who).toBe('another program, minicom (process 712)')
  })

  test('that the kernel prints on is taken, with the word to remove', async () => {
    plant('proc/cmdline', 'root=/dev/sda2 console=tty1 console=ttyUSB0,115200\n')
    const { who, remedy } = (await holder())!
    expect(who).toBe("another, the kernel's console")
    expect(remedy).toMatch(/^remove "console=ttyUSB0,115200" .*restart the box$/)
  })

  test('that the firmware made a console says how to overrule it', async () => {
    plant('proc/consoles', 'ttyUSB0              -W- (EC p a)    4:64\n')
    expect((await holder())!.remedy).toMatch(/^put "console=tty1" on the kernel/)
  })

  test('with a longer name than the console’s is another', async () => {
    plant('proc/cmdline', 'console=ttyUSB01 console=ttyUSB\n')
    expect(await holder()).toBeNull()
  })

  test('is not taken by this very process, nor without any /proc', async () => {
    process_(process.pid, { open: [device] })
    expect(await holder()).toBeNull()
    rmSync(join(root, 'proc'), { recursive: true })
    expect(await holder()).toBeNull()
  })
})

/** As /proc/locks has it. */
function fileId(): string {
  const { dev, ino } = statSync(device, { bigint: true })
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn)
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn)
  return `${major.toString(16).padStart(2, '0')}:${minor.toString(16).padStart(2, '0')}:${ino}`
}

describe.skipIf(!existsSync('/usr/bin/socat'))('a real terminal', () => {
  let folder: string
  let children: ChildProcess[]
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fieldgate-held-'))
    children = []
    const ends = ['near', 'far'].map((end) => `pty,raw,echo=0,link=${join(folder, end)}`)
    children.push(await started('/usr/bin/socat', ['-d', '-d', ...ends], /starting data transfer loop/))
  })
  afterEach(async () => {
    for (const child of children.reverse()) await ended(child)
    rmSync(folder, { recursive: true })
  })

  test('is free while only its maker has it, and taken while a program reads it', async () => {
    const near = realpathSync(join(folder, 'near'))
    expect(await holderOf(near)).toBeNull()
    const reading = `open(my $port, '<', '${near}') or die; $| = 1; print "reads\\n"; sleep`
    const child = await started('/usr/bin/perl', ['-e', reading], /reads/)
    children.push(child)
    expect((await holderOf(near))!.who).toBe(`another program, perl (process ${child.pid})`)
  })

  test('that is locked is found by the lock alone', async () => {
    const near = realpathSync(join(folder, 'near'))
    const locking = `use Fcntl ':flock'; open(my $port, '<', '${near}') or die; flock($port, LOCK_EX) or die; $| = 1; print "locks\\n"; sleep`
    const child = await started('/usr/bin/perl', ['-e', locking], /locks/)
    children.push(child)
    // As another user sees it: no process shows its files.
    mkdirSync(join(folder, `root/proc/${child.pid}`), { recursive: true })
    for (const file of ['locks', `${child.pid}/comm`]) {
      writeFileSync(join(folder, 'root/proc', file), execFileSync('/bin/cat', [`/proc/${file}`]))
    }
    expect((await holderOf(near, join(folder, 'root')))!.who).toBe(`another program, perl (process ${child.pid})`)
  })
})
