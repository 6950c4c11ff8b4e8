/** The units as systemd's own tools judge them. Run under a real systemd they are in `test/package` and `test/image`. */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lacks } from '../peers/workshop.ts'

const UNITS = join(import.meta.dirname, '../../systemd')
const SYSTEM = '/usr/lib/systemd/system'
/** A template is judged as one of those that are made of it. */
const INSTANCE = 'fieldgate-field'

const names = readdirSync(UNITS).filter((name) => /\.(service|target|timer|path)$/.test(name))
const text = (name: string): string => readFileSync(join(UNITS, name), 'utf8')
const halves = names.filter(
  (name) => name.endsWith('.service') && text(name).includes('ExecStart=/usr/bin/fieldgate run'),
)

describe.skipIf(lacks('the units', '/usr/bin/systemd-analyze', join(SYSTEM, 'modprobe@.service')))('the units', () => {
  let root: string

  // A system with nothing but systemd's units and ours, and something in place of each program they name.
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'fieldgate-units-'))
    cpSync(SYSTEM, join(root, SYSTEM), { recursive: true, verbatimSymlinks: true })
    for (const name of names) {
      writeFileSync(join(root, SYSTEM, name.replace('@.', `@${INSTANCE}.`)), text(name))
      writeFileSync(join(root, SYSTEM, name), text(name))
    }
    const programs = names.flatMap((name) =>
      [...text(name).matchAll(/^Exec\w+=[-+!:@]*(\/\S+)/gm)].map(([, path]) => path!),
    )
    for (const path of ['/sbin/modprobe', ...programs]) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), '#!/bin/sh\n')
      chmodSync(join(root, path), 0o755)
    }
  })
  afterAll(() => rmSync(root, { recursive: true, force: true }))

  it('are found right by systemd-analyze verify', () => {
    const units = names.map((name) => name.replace('@.', `@${INSTANCE}.`))
    const judged = spawnSync('systemd-analyze', [
      'verify',
      `--root=${root}`,
      '--man=no',
      '--recursive-errors=no',
      ...units,
    ])
    expect(judged.stderr.toString()).toBe('')
    expect(judged.status).toBe(0)
  })

  it('are looked into: a wrong key is seen', () => {
    writeFileSync(
      join(root, SYSTEM, 'wrong.service'),
      '[Service]\nExecStart=/usr/bin/fieldgate\nProtectSysten=strict\n',
    )
    const judged = spawnSync('systemd-analyze', ['verify', `--root=${root}`, '--man=no', 'wrong.service'])
    expect(judged.stderr.toString()).toContain('ProtectSysten')
  })

  it('are four, and there is one for each side', () => {
    expect(halves).toEqual([
      'fieldgate-console.service',
      'fieldgate-field.service',
      'fieldgate-uplink.service',
      'fieldgate.service',
    ])
  })

  // What sets the box up or wipes it does what only root may, and by what the box has in /etc.
  it.each([...halves, 'fieldgate-gave-up@.service', 'fieldgate-retry@.service'])(
    '%s is exposed by 2.0 at most',
    (name) => {
      const judged = execFileSync('systemd-analyze', ['security', '--offline=true', join(UNITS, name)], {
        encoding: 'utf8',
        env: { ...process.env, SYSTEMD_PAGER: '', SYSTEMD_COLORS: '0' },
      })
      const exposure = Number(/Overall exposure level for \S+ (\d+\.\d)/.exec(judged)?.[1])
      expect(exposure).toBeLessThanOrEqual(2)
    },
  )

  it.each(halves)('%s says of all that stays open why', (name) => {
    for (const open of ['MemoryDenyWriteExecute=no', 'ProcSubset=all', 'ProtectProc=default', 'PrivateUsers=no']) {
      const lines = text(name).split('\n')
      const at = lines.indexOf(open)
      if (at >= 0) expect(lines[at - 1], open).toMatch(/^# /)
    }
  })

  it('keep the uplink from devices and the console from the network', () => {
    expect(text('fieldgate-uplink.service')).toMatch(/^PrivateDevices=yes$/m)
    expect(text('fieldgate-uplink.service')).not.toMatch(/^SupplementaryGroups|^DeviceAllow/m)
    expect(text('fieldgate-console.service')).toMatch(/^IPAddressDeny=any\nIPAddressAllow=localhost$/m)
  })

  it('end in a safe state that is tried again, whichever gives up', () => {
    for (const name of halves) {
      expect(text(name), name).toMatch(/^Restart=always$/m)
      expect(text(name), name).toMatch(/^OnFailure=fieldgate-retry@%N\.timer\b/m)
      expect(text(name), name).toMatch(/^StartLimitBurst=\d+$/m)
    }
    expect(text('fieldgate-field.service')).toMatch(/^ExecStopPost=-\/usr\/bin\/fieldgate lights --stopped$/m)
  })
})

describe.skipIf(lacks('users and groups', '/usr/bin/systemd-sysusers'))('users and folders', () => {
  it('are made as named, and only the field half may open the door', () => {
    const root = mkdtempSync(join(tmpdir(), 'fieldgate-users-'))
    try {
      mkdirSync(join(root, 'etc'))
      execFileSync('systemd-sysusers', [`--root=${root}`, join(UNITS, 'sysusers.d/fieldgate.conf')], {
        stdio: 'pipe',
      })
      const groups = readFileSync(join(root, 'etc/group'), 'utf8')
      const members = (group: string): string => new RegExp(`^${group}:x:\\d+:(.*)$`, 'm').exec(groups)?.[1] ?? 'none'
      expect(members('fieldgate')).toBe('fieldgate-console,fieldgate-field,fieldgate-uplink')
      expect(members('fieldgate-door')).toBe('fieldgate-field')
      expect(members('gpio')).toBe('fieldgate-field')
      expect(members('dialout')).toBe('fieldgate-field')
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  })
})
