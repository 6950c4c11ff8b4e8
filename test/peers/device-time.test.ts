/** A group that is dated by its device, through the whole gateway: the broker is sent the device's time, and the gateway's while the
 *  device's clock was never set. */
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ModbusRTU from 'modbus-serial'
import { afterEach, describe, expect, test } from 'vitest'
import { ended, freePort, gateway, linesOf, started, until } from './processes.ts'

const PEERS = ['/usr/sbin/mosquitto', '/usr/bin/mosquitto_sub']
const absent = PEERS.filter((peer) => !existsSync(peer))
if (absent.length > 0) console.error(`SKIPPED: a device's own time, for want of ${absent.join(', ')}`)

describe.skipIf(absent.length > 0)('readings that are dated by their device', () => {
  const children: ChildProcess[] = []
  let folder = ''
  let server: ModbusRTU.ServerTCP | undefined
  const keep = async (child: Promise<ChildProcess>): Promise<ChildProcess> => {
    const one = await child
    children.push(one)
    return one
  }
  afterEach(async () => {
    for (const child of children.splice(0).reverse()) await ended(child)
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())))
    rmSync(folder, { recursive: true, force: true })
  })

  test('arrive with its time, and with the gateway’s until its clock is set', async () => {
    folder = mkdtempSync(join(tmpdir(), 'fieldgate-dated-'))
    const [devicePort, brokerPort] = [await freePort(), await freePort()]
    const conf = join(folder, 'mosquitto.conf')
    writeFileSync(conf, `listener ${brokerPort} 127.0.0.1\nallow_anonymous true\n`)
    await keep(started('/usr/sbin/mosquitto', ['-c', conf, '-v'], /running/))
    const words = ['-oL', '/usr/bin/mosquitto_sub', '-p', String(brokerPort), '-t', '/neuron/#', '-d']
    const heard = linesOf(await keep(started('/usr/bin/stdbuf', words, /SUBACK/)))
    /** Seconds since 1970 that the device shows; its clock was never set. */
    let shown = 3600
    const vector = {
      getHoldingRegister: (address: number) => (address === 0 ? shown >>> 16 : address === 1 ? shown & 0xffff : 42),
    }
    server = new ModbusRTU.ServerTCP(vector, { host: '127.0.0.1', port: devicePort, unitID: 1 })
    await new Promise<void>((resolve) => server!.on('initialized', () => resolve()))
    const file = join(folder, 'gateway.yaml')
    writeFileSync(
      file,
      `connections: { plc: { driver: modbus-tcp, host: 127.0.0.1, port: ${devicePort} } }
devices:
  meter:
    connection: plc
    groups:
      g:
        every: 100ms
        coherent: true
        timeFrom: clock
        tags: { clock: { address: "40001", type: datetime, layout: unix }, v: { address: "40011", type: uint16 } }
sinks: { s: { type: mqtt, url: "mqtt://127.0.0.1:${brokerPort}" } }
log: { path: ${join(folder, 'log')}, commitEvery: 0 }
`,
    )
    await keep(gateway(file))
    const times = (): number[] =>
      heard.flatMap((line) => Number(/"timestamp":(\d+),"node":"meter".*"v":42/.exec(line)?.[1] ?? Number.NaN) || [])
    await until('readings', () => times().length > 2)
    for (const at of times()) expect(Math.abs(Date.now() - at)).toBeLessThan(60_000)
    shown = Date.UTC(2024, 1, 29, 23, 59, 58) / 1000
    await until('the device’s time', () => times().includes(shown * 1000))
    const before = times().length
    await until('more readings', () => times().length > before + 2)
    expect(times().at(-1)).toBe(shown * 1000)
  })
})
