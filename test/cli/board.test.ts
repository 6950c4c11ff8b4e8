import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BoardReport } from '../../hal/contract.ts'
import { fieldgate } from './fieldgate.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')
const NOBODY = ['--reuid=65534', '--regid=65534', '--clear-groups']
/** Only root becomes somebody else, and nobody must be able to read the checkout. */
const canBeNobody =
  process.getuid?.() === 0 &&
  spawnSync('setpriv', [...NOBODY, process.execPath, '--eval', `require('fs').accessSync('${MAIN}')`]).status === 0
if (!canBeNobody) console.warn('skipped: the rights of another user, which only root can try')

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fieldgate-board-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function file(text: string): string {
  const path = join(folder, 'gateway.yaml')
  writeFileSync(path, text)
  return path
}

function run(program: string, ...words: readonly string[]): void {
  const { status, stderr } = spawnSync(program, words, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ${words.join(' ')}: ${stderr}`)
}

describe('fieldgate board', () => {
  it('tells what is missing and what to do, with exit status 1, though the file is wrong elsewhere', async () => {
    const config = file(
      'board: { name: generic, ports: { bus: { devices: [/dev/ttyNONE7], text: needs dtoverlay=uart3 } } }\nconections: 3\n',
    )
    const { status, out, err } = await fieldgate(['board', '--config', config])
    expect(status).toBe(1)
    expect(out).toMatch(/bus +missing +bus is not there: board generic says \/dev\/ttyNONE7.*needs dtoverlay=uart3/)
    expect(out).toContain('1 to look at')
    expect(err).toBe('')
  })

  it('is one JSON document on demand, and exit status 0 where all is there', async () => {
    const { status, out } = await fieldgate(['board', '--json', '--config', file('board: simulated\n')])
    expect(status).toBe(0)
    const report = JSON.parse(out) as BoardReport & { ok: boolean; problems: unknown[] }
    expect([report.ok, report.board, report.problems]).toEqual([true, 'simulated', []])
    expect(report.parts.map(({ part, name, state }) => `${part} ${name} ${state}`)).toContain('led SYS found')
  })

  it('tells the mistakes of the board with their places, and looks at the rest', async () => {
    const config = file(
      '# a comment\nboard:\n  name: generic\n  ports:\n    bus: { devices: [/dev/ttyNONE7], txt: x }\n',
    )
    const { status, out, err } = await fieldgate(['board', '--config', config])
    expect(status).toBe(1)
    expect(err).toContain(`${config}:5:38: board.ports.bus.txt: unknown key "txt": did you mean "text"?`)
    expect(out).toContain('bus is not there')
  })

  it.runIf(process.getuid?.() === 0)('tells of storage that is full or cannot be written, and what to do', async () => {
    const log = join(folder, 'log')
    mkdirSync(log)
    const config = file(`board: simulated\nlog: { path: ${log} }\n`)
    const look = async () => {
      const { status, out } = await fieldgate(['board', '--json', '--config', config])
      const { parts } = JSON.parse(out) as BoardReport
      return [status, ...parts.filter(({ part }) => part === 'storage').map(({ state, text }) => `${state}: ${text}`)]
    }
    expect(await look()).toEqual([0, expect.stringMatching(/^found: .* free$/)])
    run('mount', '-t', 'tmpfs', '-o', 'size=64k', 'full', log)
    try {
      writeFileSync(join(log, 'filler'), Buffer.alloc(64 << 10))
      expect(await look()).toEqual([1, expect.stringMatching(/^broken: .* has 0 MiB of 0 MiB left; make room there/)])
      run('mount', '-o', 'remount,ro', log)
      expect(await look()).toEqual([1, expect.stringMatching(/^broken: .* can only be read.*"dmesg".*replace/)])
    } finally {
      run('umount', log)
    }
  })

  it('works without any file, and says so', async () => {
    const { out, err } = await fieldgate(['board', '--config', join(folder, 'nowhere.yaml')])
    expect(err).toContain('nowhere.yaml cannot be read')
    expect(out).toContain('Linux box (generic)')
  })

  it.skipIf(!canBeNobody)('tells a user without rights who has them, and how to become one of them', () => {
    writeFileSync(join(folder, 'tty'), '')
    chmodSync(join(folder, 'tty'), 0o660)
    chownSync(join(folder, 'tty'), 0, 20)
    chmodSync(folder, 0o755)
    const config = file(`board: { name: generic, ports: { bus: { devices: [${join(folder, 'tty')}] } } }\n`)
    const { status, stdout } = spawnSync('setpriv', [...NOBODY, process.execPath, MAIN, 'board', '--config', config], {
      encoding: 'utf8',
    })
    expect(status).toBe(1)
    expect(stdout).toMatch(
      /bus +refused +bus may not be used by user nobody .*: it belongs to group dialout; "sudo usermod -aG dialout nobody"/,
    )
  })

  it('says that the board is for another box', async () => {
    const { status, out } = await fieldgate(['board', '--json', '--config', file('board: raspberry-pi-5\n')])
    expect(status).toBe(1)
    const { parts } = JSON.parse(out) as BoardReport
    expect(parts[0]).toMatchObject({ part: 'board', name: 'raspberry-pi-5', state: 'missing' })
    expect(parts[0]!.text).toMatch(/^this box calls itself .*, and raspberry-pi-5 is for Raspberry Pi 5/)
  })
})
