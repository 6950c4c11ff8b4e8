import { renameSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { notifier } from '../../../../hal/linux/kernel/notify.ts'
import { Datagrams } from './datagrams.ts'

const open: Datagrams[] = []
function systemd(name?: string): Datagrams {
  const datagrams = new Datagrams(name)
  open.push(datagrams)
  return datagrams
}
afterEach(() => {
  for (const one of open.splice(0)) one.close()
})

describe('what systemd is told', () => {
  it('arrives as the lines of its protocol', () => {
    const socket = systemd()
    const told = notifier({ NOTIFY_SOCKET: socket.path })
    const before = process.hrtime.bigint() / 1000n
    told.status('opening\nthe log')
    told.extendTimeout(60_000)
    told.ready()
    told.watchdog()
    told.reloading()
    told.stopping()
    const [reloading] = (socket.take() as string[]).splice(4, 1)
    expect(socket.take()).toEqual([
      'STATUS=opening the log',
      'EXTEND_TIMEOUT_USEC=60000000',
      'READY=1',
      'WATCHDOG=1',
      'STOPPING=1',
    ])
    const [, usec] = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(reloading!)!
    expect(BigInt(usec!)).toBeGreaterThanOrEqual(before)
    expect(told.lost).toBe(0)
  })

  it('also where its socket has no file', () => {
    const socket = systemd(`@fieldgate-test-${process.pid}`)
    notifier({ NOTIFY_SOCKET: socket.path }).ready()
    expect(socket.take()).toEqual(['READY=1'])
  })

  it('is nothing where there is no systemd, and counted where it does not listen', () => {
    const alone = notifier({})
    alone.ready()
    expect(alone.lost).toBe(0)
    const socket = systemd()
    const told = notifier({ NOTIFY_SOCKET: `${socket.path}-gone` })
    told.ready()
    told.watchdog()
    expect(told.lost).toBe(2)
    const long = notifier({ NOTIFY_SOCKET: `/${'x'.repeat(200)}` })
    long.ready()
    expect(long.lost).toBe(1)
  })

  it('is told later that it is ready, when it was not there or had no room: the last state, with the next message', () => {
    const socket = systemd()
    renameSync(socket.path, `${socket.path}-away`)
    const told = notifier({ NOTIFY_SOCKET: socket.path })
    told.reloading()
    told.ready()
    told.status('all answer')
    renameSync(`${socket.path}-away`, socket.path)
    told.watchdog()
    told.watchdog()
    expect(socket.take()).toEqual(['READY=1\nWATCHDOG=1', 'WATCHDOG=1'])
  })

  it('does not wait for a systemd that does not read', () => {
    const socket = systemd()
    const told = notifier({ NOTIFY_SOCKET: socket.path })
    for (let times = 0; times < 2000; times++) told.watchdog()
    expect(told.lost).toBeGreaterThan(0)
    expect(socket.take().length + told.lost).toBe(2000)
    told.ready()
    expect(socket.take().at(-1)).toBe('READY=1')
  })

  it('says for how long nobody may be silent, where that is meant for this process', () => {
    const at = { NOTIFY_SOCKET: '/run/systemd/notify' }
    expect(notifier({ ...at, WATCHDOG_USEC: '30000000' }).watchdogMs).toBe(30_000)
    expect(notifier({ ...at, WATCHDOG_USEC: '30000000', WATCHDOG_PID: String(process.pid) }).watchdogMs).toBe(30_000)
    expect(notifier({ ...at, WATCHDOG_USEC: '30000000', WATCHDOG_PID: '1' }).watchdogMs).toBeUndefined()
    for (const usec of ['0', '-1', 'soon', '']) {
      expect(notifier({ ...at, WATCHDOG_USEC: usec }).watchdogMs).toBeUndefined()
    }
    expect(notifier({ WATCHDOG_USEC: '30000000' }).watchdogMs).toBeUndefined()
  })
})
