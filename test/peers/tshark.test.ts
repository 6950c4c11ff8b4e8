/** Captures of our frames, decoded by tshark without an option. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { SimulatedBoard } from '../../hal/simulated/board.ts'
import { oven } from '../../src/cli/demo/plant/oven.ts'
import { freePorts, TcpDevice } from '../../src/cli/demo/plant/tcp-device.ts'
import type { FrameTrace } from '../../src/contracts/trace.ts'
import { Capture } from '../../src/southbound/modbus/diagnosis/pcap.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { groupOf, tcp } from '../southbound/modbus/configured.ts'
import { driverOf, Line, readGroup, registers } from '../southbound/modbus/rig.ts'
import { complaints, decode, TSHARK } from './tshark.ts'

const absent = existsSync(TSHARK) ? [] : [TSHARK]
if (absent.length > 0) console.error(`SKIPPED: captures read by tshark, for want of ${absent.join(', ')}`)
const folder = mkdtempSync(join(tmpdir(), 'fieldgate-tshark-'))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function written(trace: FrameTrace, name: string): string {
  const file = join(folder, name)
  const capture = new Capture(trace.framing)
  const packets = trace.since(0, 10_000).map((frame) => capture.packet(frame))
  writeFileSync(file, Buffer.concat([capture.header(), ...packets]))
  return file
}

describe.skipIf(absent.length > 0)('tshark', () => {
  test('decodes a serial line: unit, function, addresses, values, exceptions, and what answers what', async () => {
    const rig = new Line()
    await rig.start()
    await rig.read(registers(3, 10, 3))
    await rig.read(registers(4, 0, 1))
    await rig.read(registers(3, 1000, 1))
    const file = written(rig.driver.trace, 'line.pcap')
    expect(await decode(file)).toEqual([
      { unit: 3, function: 3, address: 10, count: 3, registers: {}, exception: null, answers: null },
      {
        unit: 3,
        function: 3,
        address: null,
        count: null,
        registers: { 10: 3010, 11: 3011, 12: 3012 },
        exception: null,
        answers: 1,
      },
      { unit: 4, function: 3, address: 0, count: 1, registers: {}, exception: null, answers: null },
      { unit: 4, function: 3, address: null, count: null, registers: { 0: 4000 }, exception: null, answers: 3 },
      { unit: 3, function: 3, address: 1000, count: 1, registers: {}, exception: null, answers: null },
      { unit: 3, function: 3, address: null, count: null, registers: {}, exception: 2, answers: null },
    ])
    expect(await complaints(file)).toBe('')
  })

  test('sees a damaged answer as such, and noise as bytes', async () => {
    const rig = new Line({ keys: { retries: 0 } })
    await rig.start()
    await rig.read(registers(3, 0, 1))
    rig.stations[3].alter = (frame) => frame.map((byte, at) => (at === 4 ? byte ^ 1 : byte))
    await rig.read(registers(3, 0, 1, { retries: 0 }))
    rig.stations[3].alter = () => Uint8Array.of(0xaa, 0x55, 0x01)
    await rig.read(registers(3, 0, 1, { retries: 0 }))
    const file = written(rig.driver.trace, 'noise.pcap')
    expect((await decode(file)).map((packet) => packet?.function ?? null)).toEqual([3, 3, 3, 3, 3, null])
    expect((await complaints(file)).trim().split('\n')).toHaveLength(1)
  })

  test('decodes Modbus TCP in a stream whose checksums and sequence numbers add up', async () => {
    const [port] = await freePorts(1)
    const device = new TcpDevice(oven('oven', 2), port!)
    await device.on()
    const driver = driverOf(tcp({ host: '127.0.0.1', port }), {
      clock: new SystemClock(),
      board: new SimulatedBoard({ wires: {} }),
    })
    try {
      await driver.start()
      const good = groupOf([{ address: 'holding:0', type: 'uint16' }], { device: { unitId: 2 } })
      for (let read = 0; read < 5; read++) expect((await readGroup(driver, good)).values).toEqual([1800])
      await readGroup(driver, groupOf([{ address: 'input:900', type: 'uint16' }], { device: { unitId: 2 } }))
      const file = written(driver.trace, 'tcp.pcap')
      const packets = await decode(file)
      expect(packets).toHaveLength(12)
      expect(packets.slice(8)).toEqual([
        { unit: 2, function: 3, address: 0, count: 1, registers: {}, exception: null, answers: null },
        { unit: 2, function: 3, address: null, count: null, registers: { 0: 1800 }, exception: null, answers: 9 },
        { unit: 2, function: 4, address: 900, count: 1, registers: {}, exception: null, answers: null },
        { unit: 2, function: 4, address: null, count: null, registers: {}, exception: 2, answers: null },
      ])
      expect(await complaints(file)).toBe('')
    } finally {
      await driver.stop()
      await device.off()
    }
  })
})
