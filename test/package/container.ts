/** A Debian with a real systemd, in a container of systemd-nspawn: booted, asked and stopped from outside. Its network is its own. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { until } from '../peers/processes.ts'

/** What the package depends on, and no more. */
const PARTS = 'systemd,systemd-sysv,udev,dbus,init-system-helpers,libstdc++6,libgcc-s1,kmod,procps'
const SUITE = 'bookworm'
const BASE = join(import.meta.dirname, '../../node_modules/.cache/package', `${SUITE}-root`)

interface Said {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export class Container {
  readonly root: string
  #nspawn: ChildProcess | undefined

  constructor() {
    if (!existsSync(BASE)) {
      const aside = `${BASE}.${process.pid}`
      mkdirSync(dirname(BASE), { recursive: true })
      execFileSync('mmdebstrap', ['--quiet', '--variant=minbase', `--include=${PARTS}`, SUITE, aside], {
        stdio: 'inherit',
      })
      renameSync(aside, BASE)
    }
    this.root = join(mkdtempSync(join(tmpdir(), 'fieldgate-container-')), 'root')
    execFileSync('cp', ['--archive', BASE, this.root])
  }

  async boot(): Promise<void> {
    const words = [
      '--boot',
      `--directory=${this.root}`,
      '--register=no',
      '--keep-unit',
      '--private-network',
      '--console=pipe',
    ]
    this.#nspawn = spawn('systemd-nspawn', words, { stdio: 'ignore' })
    await until(
      'systemd in the container',
      () => /running|degraded/.test(this.try('systemctl', 'is-system-running').stdout),
      120_000,
    )
  }

  /** Throws when it fails. */
  run(...words: readonly string[]): string {
    const { status, stdout, stderr } = this.try(...words)
    if (status !== 0) throw new Error(`${words.join(' ')} ended with ${status}: ${stdout}${stderr}`)
    return stdout.trim()
  }

  try(...words: readonly string[]): Said {
    const init = this.#init()
    if (init === undefined) return { status: -1, stdout: '', stderr: 'there is no systemd' }
    const env = ['env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root', 'DEBIAN_FRONTEND=noninteractive']
    const into = ['--target', String(init), '--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup', '--']
    const { status, stdout, stderr } = spawnSync('nsenter', [...into, ...env, ...words], {
      encoding: 'utf8',
      timeout: 200_000,
    })
    return { status: status ?? -1, stdout, stderr }
  }

  isActive(unit: string): boolean {
    return this.try('systemctl', 'is-active', '--quiet', unit).status === 0
  }

  property(unit: string, name: string): string {
    return this.run('systemctl', 'show', '--property', name, '--value', unit)
  }

  get isRunning(): boolean {
    return this.#nspawn?.exitCode === null && this.#nspawn.signalCode === null
  }

  async stop(): Promise<void> {
    const nspawn = this.#nspawn
    if (nspawn !== undefined && this.isRunning) {
      const exit = new Promise((resolve) => nspawn.once('exit', resolve))
      // nspawn tells systemd to power off, at the second time it does not wait for it.
      nspawn.kill('SIGTERM')
      const late = setTimeout(() => nspawn.kill('SIGKILL'), 30_000)
      await exit
      clearTimeout(late)
    }
    rmSync(dirname(this.root), { recursive: true, force: true })
  }

  /** The first process of the container, as we see it. */
  #init(): number | undefined {
    const parent = this.#nspawn?.pid
    if (parent === undefined) return undefined
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .find((pid) => {
        try {
          const [, comm, rest] = /\((.*)\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))!
          return comm === 'systemd' && Number(rest) === parent
        } catch {
          return false
        }
      })
  }
}
