/** What a running gateway learns of a device comes into the profile that is saved. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { oven } from '../../../src/cli/demo/plant/oven.ts'
import { freePorts, TcpDevice } from '../../../src/cli/demo/plant/tcp-device.ts'
import type { GatewayReport } from '../../../src/contracts/report.ts'
import { ended, gateway, until } from '../../peers/processes.ts'
import { fieldgate } from '../fieldgate.ts'

const folder = mkdtempSync(join(tmpdir(), 'fieldgate-learnt-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('a refused register is left out of the profile, and the profile says so', async () => {
  const [port] = await freePorts(1)
  const device = new TcpDevice(oven('oven', 2), port!)
  await device.on()
  const file = join(folder, 'gateway.yaml')
  writeFileSync(
    file,
    `connections: { plc: { driver: modbus-tcp, host: 127.0.0.1, port: ${port}, timeout: 500ms } }
devices:
  oven: { connection: plc, unitId: 2, groups: { zones: { every: 100ms, tags: {
    setpoint: { address: "40001", type: int16 },
    phantom: { address: "49000", type: int16 } } } } }
log: { path: log, quota: 16MiB }
`,
  )
  const running = await gateway(file)
  try {
    const at = ['--config', file]
    await until('the gateway to know it', async () => {
      const { status, out } = await fieldgate(['status', ...at, '--json'])
      return status === 0 && (JSON.parse(out) as GatewayReport).devices[0]?.knowledge !== undefined
    })
    const output = join(folder, 'oven.yaml')
    const { status, err } = await fieldgate(['import', '--save-profile', output, '--device', 'oven', ...at])
    expect(status).toBe(0)
    expect(err).toContain('Note: zones/phantom: the device refuses 49000: left out')
    const text = readFileSync(output, 'utf8')
    expect(text).toContain('setpoint: {')
    expect(text).not.toMatch(/^ +phantom:/m)
    expect(text).toMatch(/^# Learnt: it refuses 49000/m)
    expect((await fieldgate(['check', '--profile', output])).status).toBe(0)
  } finally {
    await ended(running)
    await device.off()
  }
}, 40_000)
