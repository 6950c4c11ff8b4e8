/** The package in a Debian with a real systemd: installed, run, hung, broken, upgraded, removed and purged, in this order. */
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../peers/processes.ts'
import { lacks } from '../peers/workshop.ts'
import { build } from './built.ts'
import { Container } from './container.ts'

const HALVES = ['fieldgate-field', 'fieldgate-uplink', 'fieldgate-console']
/** Nobody is there at either address: readings of silence are stored, and wait. */
const WAITING = `gateway: {}
connections: { bus: { driver: modbus-tcp, host: 127.0.0.1, port: 1502 } }
devices: { d: { connection: bus, unitId: 1, groups: { g: { every: 1s, tags: { a: { address: "40001", type: uint16 } } } } } }
sinks: { b: { type: mqtt, url: "mqtt://127.0.0.1:1883", topic: "x/{device}/{group}" } }
log: { path: /var/lib/fieldgate/log }
`

const isRoot = process.getuid?.() === 0
if (!isRoot) console.error('SKIPPED: the installed package, for want of root')
const lacking = lacks('the installed package', '/usr/bin/mmdebstrap', '/usr/bin/systemd-nspawn', '/usr/bin/nsenter')

describe.skipIf(!isRoot || lacking)('the installed package', () => {
  let folder: string
  let box: Container
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
  const inside = (path: string): string => join(box.root, path)
  const configure = (text: string): void => writeFileSync(inside('etc/fieldgate/gateway.yaml'), text)
  const status = (): { sinks: { receipt?: { pending: number } }[] } =>
    JSON.parse(box.run('fieldgate', 'status', '--json'))

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fieldgate-installed-'))
    box = new Container()
    for (const version of ['1.0.0', '1.0.1']) {
      copyFileSync(build(folder, architecture, '--version', version).file, inside(`root/${version}.deb`))
    }
    await box.boot()
  })
  afterAll(async () => {
    await box?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  it('installs, and its halves run as users of their own', () => {
    box.run('dpkg', '--install', '/root/1.0.0.deb')
    for (const half of HALVES) {
      expect(box.isActive(half), half).toBe(true)
      expect(box.run('stat', '--format=%U', `/proc/${box.property(half, 'MainPID')}`)).toBe(half)
    }
    expect(box.run('fieldgate', '--version')).toBe('1.0.0')
    expect(box.run('fieldgate', 'check')).toContain('is valid')
    expect(box.run('systemctl', '--failed', '--no-legend', '--plain')).toBe('')
  })

  it('lets the uplink’s user look, but neither write nor change', () => {
    const reach = (user: string, socket: string): string => {
      const ask = `require('node:net').connect('/run/fieldgate/${socket}').on('connect', () => process.exit()).on('error', (e) => { console.log(e.code); process.exit() })`
      const as = ['setpriv', `--reuid=${user}`, '--regid=fieldgate', '--init-groups']
      return box.run(...as, '/usr/lib/fieldgate/bin/node', '-e', ask)
    }
    for (const user of ['fieldgate-uplink', 'fieldgate-console']) {
      expect(reach(user, 'field/inspect.sock')).toBe('')
      expect(reach(user, 'field/control.sock')).toBe('EACCES')
      expect(reach(user, 'field/door.sock')).toBe('EACCES')
    }
    expect(reach('fieldgate-console', 'uplink/control.sock')).toBe('EACCES')
    expect(reach('fieldgate-field', 'uplink/control.sock')).toBe('')
    const put = box.try(
      'setpriv',
      '--reuid=fieldgate-uplink',
      '--regid=fieldgate',
      '--init-groups',
      'touch',
      '/run/fieldgate/inspect.sock',
    )
    expect(put.stderr).toContain('Permission denied')
  })

  it('runs the demo', () => {
    expect(box.run('fieldgate', 'demo', '--for', '3s')).toContain('Nothing was lost')
  })

  it('takes another configuration, and stores for a sink that is away', async () => {
    configure(WAITING)
    box.run('fieldgate', 'apply')
    box.run('systemctl', 'reload', 'fieldgate-field', 'fieldgate-uplink')
    await until('readings that wait', () => box.run('fieldgate', 'log', 'status').includes('pending, '), 30_000)
  })

  it('ends a half that hangs, and starts it again', async () => {
    const hung = box.property('fieldgate-field', 'MainPID')
    box.run('kill', '-STOP', hung)
    const isAnother = () =>
      !['0', hung].includes(box.property('fieldgate-field', 'MainPID')) && box.isActive('fieldgate-field')
    await until('another process', isAnother, 90_000)
    expect(box.run('journalctl', '--unit=fieldgate-field', '--no-pager', '--output=cat')).toContain('Watchdog timeout')
    expect(box.property('fieldgate-uplink', 'NRestarts')).toBe('0')
  })

  it('gives a half up that cannot start, says so, and tries again by a timer', async () => {
    configure('broken: {')
    rmSync(inside('var/lib/fieldgate/log/active.yaml'))
    box.try('systemctl', 'restart', 'fieldgate-field')
    await until(
      'it to be given up',
      () => box.try('systemctl', 'is-failed', '--quiet', 'fieldgate-field').status === 0,
      90_000,
    )
    await until('the timer', () => box.isActive('fieldgate-retry@fieldgate-field.timer'))
    expect(box.isActive('fieldgate-uplink')).toBe(true)
    configure(WAITING)
    box.run('systemctl', 'start', 'fieldgate-retry@fieldgate-field.service')
    await until('the half', () => box.isActive('fieldgate-field'), 60_000)
  })

  it('puts a damaged file of the log aside, confined as it is', async () => {
    box.run('systemctl', 'stop', 'fieldgate.target')
    const [segment] = box.run('find', '/var/lib/fieldgate/log/segments', '-name', '*.mdb').split('\n')
    box.run('dd', 'if=/dev/urandom', `of=${segment}`, 'bs=4096', 'count=2', 'conv=notrunc')
    box.run('systemctl', 'start', 'fieldgate.target')
    await until(
      'it to be put aside',
      () => box.try('ls', '/var/lib/fieldgate/log/damaged').stdout.trim() !== '',
      60_000,
    )
    expect(box.run('stat', '--format=%a %G', '/var/lib/fieldgate/log/damaged')).toBe('2770 fieldgate')
    expect(box.isActive('fieldgate-field')).toBe(true)
  })

  it('goes on as one process, and as two again, with the same log', async () => {
    const stream = (): string | undefined => /stream ([0-9a-f]+)/.exec(box.run('fieldgate', 'log', 'status'))?.[1]
    const before = stream()
    box.run('systemctl', 'stop', 'fieldgate.target')
    box.run('systemctl', 'start', 'fieldgate.service')
    expect(box.isActive('fieldgate.service')).toBe(true)
    box.run('systemctl', 'start', 'fieldgate.target')
    expect(box.isActive('fieldgate.service')).toBe(false)
    for (const half of HALVES) expect(box.isActive(half), half).toBe(true)
    expect(stream()).toBe(before)
  })

  it('is upgraded with its configuration and its log, and runs the new version', () => {
    const before = readFileSync(inside('var/lib/fieldgate/log/log.json'), 'utf8')
    box.run('systemctl', 'disable', 'fieldgate-console')
    box.run('dpkg', '--install', '/root/1.0.1.deb')
    expect(readFileSync(inside('etc/fieldgate/gateway.yaml'), 'utf8')).toBe(WAITING)
    const stream = (text: string): string => (JSON.parse(text) as { stream: string }).stream
    expect(stream(readFileSync(inside('var/lib/fieldgate/log/log.json'), 'utf8'))).toBe(stream(before))
    expect(status()).toMatchObject({ version: '1.0.1' })
    // What an administrator has switched off stays off.
    expect(box.try('systemctl', 'is-enabled', 'fieldgate-console').stdout.trim()).toBe('disabled')
  })

  it('keeps configuration and log when it is removed, and has them when it comes back', () => {
    const said = box.run('dpkg', '--remove', 'fieldgate')
    expect(said).toContain('stays in /var/lib/fieldgate')
    for (const path of ['etc/fieldgate/gateway.yaml', 'var/lib/fieldgate/log/log.json'])
      expect(existsSync(inside(path))).toBe(true)
    expect(existsSync(inside('usr/lib/fieldgate'))).toBe(false)
    expect(box.isActive('fieldgate-field')).toBe(false)
    box.run('dpkg', '--install', '/root/1.0.1.deb')
    expect(box.isActive('fieldgate-field')).toBe(true)
    expect(readFileSync(inside('etc/fieldgate/gateway.yaml'), 'utf8')).toBe(WAITING)
  })

  it('says what it wipes when it is purged, and leaves nothing but its users', () => {
    box.run('dpkg', '--remove', 'fieldgate')
    const said = box.run('dpkg', '--purge', 'fieldgate')
    expect(said).toMatch(/every reading that was not delivered:[\s\S]*pending, /)
    for (const path of [
      'etc/fieldgate',
      'var/lib/fieldgate',
      'var/cache/fieldgate',
      'run/fieldgate',
      'usr/lib/fieldgate',
    ]) {
      expect(existsSync(inside(path)), path).toBe(false)
    }
    expect(box.try('systemctl', 'list-unit-files', '--no-legend', '--plain', 'fieldgate*').stdout).toBe('')
  })

  it('goes back to the factory’s state when the button’s flag comes', async () => {
    box.run('dpkg', '--install', '/root/1.0.1.deb')
    const factory = readFileSync(inside('etc/fieldgate/gateway.yaml'), 'utf8')
    configure(WAITING)
    box.run('fieldgate', 'apply')
    box.run(
      'setpriv',
      '--reuid=fieldgate-field',
      '--regid=fieldgate',
      '--init-groups',
      '/usr/lib/fieldgate/factory-reset',
    )
    await until('the restart', () => !box.isRunning, 90_000)
    expect(readFileSync(inside('etc/fieldgate/gateway.yaml'), 'utf8')).toBe(factory)
    expect(existsSync(inside('var/lib/fieldgate/log/log.json'))).toBe(false)
  })
})
