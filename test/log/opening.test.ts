/** A folder that cannot be the log's is refused with place, reason and remedy, and left as it is to the byte. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { networkFileSystem } from '../../src/log/folder/ground.ts'
import { type Log, openLog } from '../../src/log/log.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { counted, groupOf, Said } from './batches.ts'
import { contentsOf } from './contents.ts'

const APPENDER = new URL('appender.ts', import.meta.url).pathname
const root = mkdtempSync(join(tmpdir(), 'fieldgate-opening-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const press = groupOf('press', 100)
let folders = 0

function opened(path: string): Promise<Log> {
  return openLog({
    path,
    quotaBytes: 2 ** 30,
    commitEveryMs: 0,
    evict: 'oldest',
    segmentBytes: 200_000,
    clock: new SystemClock(),
    log: new Said(),
  })
}

/** A log of several segments that was closed. */
async function made(): Promise<string> {
  const path = join(root, String(++folders))
  const log = await opened(path)
  await log.cursor('emqx', { from: 'oldest' })
  for (let count = 0; count < 1000; count += 50)
    await Promise.all(Array.from({ length: 50 }, (_, at) => log.writer.append(counted(press, count + at))))
  await log.close()
  return path
}

/** Every name under a place with its rights, its time of change and its bytes. */
function everything(place: string): readonly string[] {
  const stat = lstatSync(place)
  const own = `${place} ${stat.mode} ${stat.mtimeMs} ${stat.isFile() ? crc32(readFileSync(place)) : ''}`
  if (!stat.isDirectory()) return [own]
  return [own, ...readdirSync(place).flatMap((name) => everything(join(place, name)))]
}

async function refused(path: string, words: RegExp, watched = path): Promise<void> {
  const before = everything(watched)
  const said = await opened(path).then(
    async (log) => {
      await log.close()
      return 'it was opened'
    },
    (thrown: Error) => `${thrown.name}: ${thrown.message}`,
  )
  expect(said).toMatch(/^ConfigurationFault: log\.path: /)
  expect(said).toMatch(words)
  // Place and reason, then the remedy.
  expect(said).toMatch(/; [a-z]/)
  expect(everything(watched)).toEqual(before)
}

const segmentFile = (path: string, which: number): string =>
  join(path, 'segments', readdirSync(join(path, 'segments')).sort().at(which)!, 'log.mdb')

describe('a log of another fieldgate', () => {
  it('whose log.json is of a newer format is refused', async () => {
    const path = await made()
    const kept = JSON.parse(readFileSync(join(path, 'log.json'), 'utf8')) as object
    writeFileSync(join(path, 'log.json'), JSON.stringify({ ...kept, format: 2, more: true }))
    await refused(path, /written by a newer fieldgate \(format 2, this one knows 1\); run that version/)
  })

  for (const which of [0, -1]) {
    it(`of which ${which === 0 ? 'the oldest' : 'the newest'} segment is of a newer format is refused as a whole`, async () => {
      const path = await made()
      const file = segmentFile(path, which)
      const bytes = readFileSync(file)
      for (let at = bytes.indexOf('{"format":1'); at >= 0; at = bytes.indexOf('{"format":1', at + 1))
        bytes[at + 10] = 0x37
      writeFileSync(file, bytes)
      await refused(path, /segments\/\S+ was written by a newer fieldgate \(format 7, this one knows 1\)/)
    })
  }

  it('whose newest segment was written on by a newer one is refused as a whole', async () => {
    const path = await made()
    const file = segmentFile(path, -1)
    const bytes = readFileSync(file)
    for (let at = bytes.indexOf('FGB1'); at >= 0; at = bytes.indexOf('FGB1', at + 1)) {
      const size = bytes.readUInt32LE(at + 28)
      bytes[at + 8] = 9
      bytes.writeUInt32LE(crc32(bytes.subarray(at + 8, at + size)), at + 4)
    }
    writeFileSync(file, bytes)
    await refused(path, /newer fieldgate \(blocks of version 9, this one knows 1\)/)
  })

  for (const [what, text] of [
    ['empty', ''],
    ['cut short', '{"format":1,"str'],
    ['of zeroes', '\0'.repeat(70)],
    ['another document', '{"name":"something","version":"1.0.0"}'],
  ] as const) {
    it(`whose log.json is ${what} is refused`, async () => {
      const path = await made()
      writeFileSync(join(path, 'log.json'), text)
      await refused(path, /log\.json is damaged, it does not say what log this is; put it back/)
    })
  }

  it('whose log.json is gone is refused', async () => {
    const path = await made()
    rmSync(join(path, 'log.json'))
    await refused(path, /holds segments of a log, but its log\.json is gone; put log\.json back/)
  })
})

describe('a path', () => {
  it('that is a file is refused', async () => {
    const path = join(root, 'file')
    writeFileSync(path, 'a letter')
    await refused(path, /file is a file; name a folder/)
    await refused(join(path, 'log'), /cannot be made: \S+file is a file; name a folder/, path)
  })

  it('of a folder with other things in it is refused', async () => {
    const path = join(root, 'home')
    mkdirSync(path)
    writeFileSync(join(path, 'letters.txt'), 'dear')
    await refused(path, /holds other files \("letters\.txt"\) and is no log; name an empty folder/)
  })

  it('of a folder as mkfs leaves it, or with what the service itself lays there before, is taken', async () => {
    const path = join(root, 'fresh')
    mkdirSync(join(path, 'lost+found'), { recursive: true })
    mkdirSync(join(path, 'run'))
    for (const name of ['active.yaml', 'active.json', 'knowledge.json', 'writer']) writeFileSync(join(path, name), '')
    const log = await opened(path)
    await log.close()
  })

  it('without rights is refused', async () => {
    const path = join(root, 'theirs')
    mkdirSync(path)
    chmodSync(path, 0o555)
    chmodSync(root, 0o755)
    const before = everything(path)
    const { status, stderr } = asNobody(path)
    if (status === undefined) return
    expect(stderr).toMatch(/log\.path: \S+theirs cannot be written \(.*\); let the user of fieldgate write/)
    expect(stderr).toContain('ConfigurationFault')
    expect(everything(path)).toEqual(before)
    const within = asNobody(join(path, 'deeper', 'log'))
    expect(within.stderr).toMatch(
      /theirs\/deeper\/log cannot be written \(.*\); let the user of fieldgate write \S+theirs,/,
    )
    expect(everything(path)).toEqual(before)
  })

  it('on a file system of another machine or another program is known by the type that the kernel gives', () => {
    // As statfs(2) lists them; CIFS may come with its sign.
    const types = [0x6969, 0xff534d42, 0xff534d42 | 0, 0xfe534d42, 0x517b, 0x01021997, 0x65735546, 0x00c36400]
    expect(types.map(networkFileSystem)).toEqual(['NFS', 'CIFS', 'CIFS', 'SMB 2', 'SMB', '9P', 'FUSE', 'Ceph'])
    const local = { ext4: 0xef53, xfs: 0x58465342, btrfs: 0x9123683e, f2fs: 0xf2f52010, ubifs: 0x24051905 }
    const others = { tmpfs: 0x01021994, overlay: 0x794c7630, squashfs: 0x73717368, vfat: 0x4d44, zfs: 0x2fc12fc1 }
    for (const type of Object.values({ ...local, ...others })) expect(networkFileSystem(type)).toBeUndefined()
  })
})

/** What an appender says that runs as nobody; no status: nobody cannot run it here. */
function asNobody(path: string): { status?: number | null; stderr: string } {
  const nobody = 65534
  const options = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {}
  const { status, stderr } = spawnSync(process.execPath, [APPENDER, path, '1', '0'], { ...options, encoding: 'utf8' })
  if (/EACCES.*appender|ERR_MODULE_NOT_FOUND/.test(stderr)) {
    console.error('SKIPPED: a log without rights (nobody cannot read these sources)')
    return { stderr }
  }
  return { status, stderr }
}

describe('a log in use', () => {
  it('is refused to a second gateway, and left as it is', async () => {
    const path = await made()
    const log = await opened(path)
    try {
      await refused(path, /is written by process \d+; a log belongs to one gateway: stop that one, or give this one/)
    } finally {
      await log.close()
    }
  })

  it('is one gateway’s when several start at the same moment, whatever a killed one left', {
    timeout: 60_000,
  }, async () => {
    const path = join(root, 'contended')
    const promised = new Map<string, string>()
    for (let round = 0; round < 6; round++) {
      const contenders = Array.from({ length: 4 }, (_, at) => contender(path, String(1 + 1e6 * (round * 4 + at))))
      const ends = await Promise.all(contenders.map(({ outcome }) => outcome))
      expect(ends.filter((end) => end === 'appends').length).toBe(1)
      expect(ends.filter((end) => /ConfigurationFault: log\.path: \S+ is written by process/.test(end)).length).toBe(3)
      // Killed: its claim stays.
      for (const { child, lines } of contenders) {
        const gone = child.exitCode === null && child.signalCode === null ? once(child, 'close') : undefined
        child.kill('SIGKILL')
        await gone
        for (const line of lines) {
          const [kind, count, epoch, seq] = line.split(' ')
          if (kind === 'a') promised.set(count!, `${epoch}/${seq}`)
        }
      }
    }
    const entries = await contentsOf(path)
    const found = new Map(
      entries.flatMap((entry) =>
        entry.kind === 'batch'
          ? [[String(entry.batch.numbers[0]), `${entry.position.epoch}/${entry.position.seq}`] as const]
          : [],
      ),
    )
    for (const [count, position] of promised) expect(found.get(count)).toBe(position)
  })

  for (const [what, claim] of [
    ['nothing', ''],
    ['zeroes', '\0'.repeat(40)],
    ['another boot', `${process.pid} ${startOf(process.pid)} 11111111-2222-3333-4444-555555555555\n`],
    ['a process of this boot that is no more', `${process.pid} 1 ${new SystemClock().boot}\n`],
  ] as const) {
    it(`no more is taken: its claim names ${what}`, async () => {
      const path = await made()
      writeFileSync(join(path, 'writer'), claim)
      const log = await opened(path)
      await log.close()
      expect(readdirSync(path).filter((name) => name.startsWith('writer'))).toEqual([])
    })
  }
})

function startOf(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[19]!
}

/** An appender, and whether it appends or with which words it ends. */
function contender(
  path: string,
  first: string,
): { readonly child: ChildProcess; readonly lines: string[]; readonly outcome: Promise<string> } {
  const child = spawn(process.execPath, [APPENDER, path, first, '5', '100'], { stdio: ['ignore', 'pipe', 'pipe'] })
  const lines: string[] = []
  let [said, rest] = ['', '']
  child.stderr!.on('data', (chunk: Buffer) => {
    said += chunk
  })
  const outcome = new Promise<string>((resolve) => {
    child.stdout!.on('data', (chunk: Buffer) => {
      const parts = (rest + chunk).split('\n')
      rest = parts.pop()!
      lines.push(...parts)
      resolve('appends')
    })
    child.once('close', () => resolve(said))
  })
  return { child, lines, outcome }
}
