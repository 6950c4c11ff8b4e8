/** Who has a port: looked up before it is opened, because opening it changes its settings under whoever has it, and because
 *  the kernel keeps root from nothing. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'

const PROMPT = /^(a?getty|login)$/

/** For people: `another program, ModemManager (process 712)`, and what to do. */
export interface Holder {
  readonly who: string
  readonly remedy: string
  /** A gateway, this box's service perhaps. */
  readonly fieldgate: boolean
}

/** `device`: the file itself, links followed. null: nobody, as far as this user may see. Processes of others show their files
 *  only to root; their locks everybody may see. */
export async function holderOf(device: string, root = '/'): Promise<Holder | null> {
  return kernelConsole(device, root) ?? (await opener(device, root)) ?? locker(device, root) ?? uucpLocker(device, root)
}

/** Of a port that was refused and of which `holderOf` knows nothing: who was started with its name, or is known to try each port.
 *  A guess, and worded as one. */
export function suspectOf(device: string, root = '/'): Holder {
  const proc = join(root, 'proc')
  const commands = processes(proc).map((pid) => ({ pid, words: wordsOf(pid, root) }))
  const found =
    commands.find(({ pid, words }) => pid !== process.pid && words.includes(device)) ??
    commands.find(({ pid }) => text(join(proc, `${pid}/comm`))?.trim() === 'ModemManager')
  const remedy = `"sudo fuser -v ${device}" names it`
  if (found === undefined) {
    return { who: 'another program, which this user may not see', remedy, fieldgate: false }
  }
  const { who, ...rest } = program(found.pid, device, root)
  return { ...rest, who: who.replace('program, ', 'program, probably ') }
}

/** The kernel prints its messages there, whoever else writes. /proc/consoles is what it made of /proc/cmdline. */
function kernelConsole(device: string, root: string): Holder | null {
  const name = basename(device)
  const words = (text(join(root, 'proc/cmdline')) ?? '').trim().split(/\s+/)
  const word = words.find((one) => one === `console=${name}` || one.startsWith(`console=${name},`))
  const active = (text(join(root, 'proc/consoles')) ?? '').split('\n').some((line) => line.split(/\s/)[0] === name)
  if (word === undefined && !active) return null
  const remedy =
    word === undefined
      ? 'put "console=tty1" on the kernel\'s command line, so that the firmware\'s own choice does not hold, and restart the box'
      : `remove "${word}" from the kernel's command line (on a Raspberry Pi console=serial0,… in /boot/firmware/cmdline.txt) and restart the box`
  return { who: "another, the kernel's console", remedy, fieldgate: false }
}

async function opener(device: string, root: string): Promise<Holder | null> {
  const proc = join(root, 'proc')
  for (const pid of processes(proc)) {
    if (pid === process.pid) continue
    let files: string[]
    try {
      // Awaited one by one: the event loop has its turn between two processes.
      files = await readdir(join(proc, `${pid}/fd`))
    } catch {
      // A login prompt is root's and locks nothing; what it was started with everybody may read.
      if (isPrompt(pid, device, root)) return program(pid, device, root)
      continue
    }
    const open = files.map((file) => link(join(proc, `${pid}/fd`, file)))
    // Who has made a pseudo-terminal may keep its other end open, too: socat does.
    if (open.includes(device) && !open.some((path) => path?.endsWith('/ptmx'))) return program(pid, device, root)
  }
  return null
}

/** /proc/locks: `1: FLOCK  ADVISORY  WRITE 712 00:06:1035 0 EOF`, the file as major:minor:inode of its file system. */
function locker(device: string, root: string): Holder | null {
  let file: string
  try {
    const { dev, ino } = statSync(device)
    const major = ((dev / 2 ** 8) & 0xfff) | ((dev / 2 ** 32) & ~0xfff)
    const minor = (dev & 0xff) | ((dev / 2 ** 12) & ~0xff)
    file = `${hex(major)}:${hex(minor)}:${ino}`
  } catch {
    return null
  }
  for (const line of (text(join(root, 'proc/locks')) ?? '').split('\n')) {
    const [, , , , pid, locked] = line.includes('->') ? [] : line.trim().split(/\s+/)
    if (locked !== file || Number(pid) === process.pid) continue
    return program(Number(pid), device, root)
  }
  return null
}

/** minicom, picocom, cu and their kin leave a file with their process number. One whose process is gone counts for nothing. */
function uucpLocker(device: string, root: string): Holder | null {
  for (const folder of ['run/lock', 'var/lock']) {
    const pid = Number.parseInt(text(join(root, folder, `LCK..${basename(device)}`)) ?? '', 10)
    if (Number.isNaN(pid) || pid === process.pid) continue
    if (text(join(root, `proc/${pid}/stat`)) !== undefined) return program(pid, device, root)
  }
  return null
}

function program(pid: number, device: string, root: string): Holder {
  const name = text(join(root, `proc/${pid}/comm`))?.trim()
  if (name === undefined || pid <= 0) {
    const who = pid > 0 ? `another program, process ${pid}, of which this user may see no more` : 'another program'
    return { who, remedy: `"sudo fuser -v ${device}" names it`, fieldgate: false }
  }
  const unit = /\/([^/\n]+\.service)$/m.exec(text(join(root, `proc/${pid}/cgroup`)) ?? '')?.[1]
  const fieldgate = isFieldgate(wordsOf(pid, root))
  const who = fieldgate ? `another Fieldgate (process ${pid})` : `another program, ${name} (process ${pid})`
  return { who, remedy: remedyFor(name, pid, unit, device), fieldgate }
}

/** By its program or its script: the name of a port may be anything. */
function isFieldgate([command = '', script = '']: readonly string[]): boolean {
  return [command, script].some((word) => /(^|\/)fieldgate(\/|$)|(^|\/)src\/main\.[jt]s$/.test(word))
}

function isPrompt(pid: number, device: string, root: string): boolean {
  const words = wordsOf(pid, root)
  return PROMPT.test(basename(words[0] ?? '')) && (words.includes(basename(device)) || words.includes(device))
}

/** What it was started with. */
function wordsOf(pid: number, root: string): string[] {
  return (text(join(root, `proc/${pid}/cmdline`)) ?? '').split('\0')
}

function remedyFor(name: string, pid: number, unit: string | undefined, device: string): string {
  if (name === 'ModemManager') {
    return 'it looks for modems on every adapter; "sudo systemctl disable --now ModemManager", or a udev rule with ENV{ID_MM_PORT_IGNORE}="1"'
  }
  if (PROMPT.test(name)) {
    return `a login prompt waits there; "sudo systemctl disable --now serial-getty@${basename(device)}.service"`
  }
  if (name === 'brltty') return 'it takes adapters for Braille displays; "sudo apt-get remove brltty"'
  return unit === undefined ? `stop it ("sudo kill ${pid}")` : `"sudo systemctl stop ${unit}", or take the port from it`
}

function processes(proc: string): number[] {
  try {
    return readdirSync(proc).map(Number).filter(Number.isInteger)
  } catch {
    return []
  }
}

function hex(part: number): string {
  return part.toString(16).padStart(2, '0')
}

function link(file: string): string | undefined {
  try {
    return readlinkSync(file)
  } catch {
    return undefined
  }
}

function text(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
