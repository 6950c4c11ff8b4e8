import { beforeEach, describe, expect, test } from 'vitest'
import { SimulatedBoard } from '../../../hal/simulated/board.ts'
import { RegisterMap, Station, seal } from '../../../hal/simulated/station.ts'
import { SimulatedWire } from '../../../hal/simulated/wire.ts'
import { Asking } from '../../../src/southbound/modbus/asking.ts'
import { type Identity, identify, nameOfIdentity } from '../../../src/southbound/modbus/diagnosis/identification.ts'
import { openLink } from '../../../src/southbound/modbus/open-link.ts'
import { Tally } from '../../../src/southbound/modbus/tally.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'
import { rtu } from './configured.ts'
import { ALWAYS, settled } from './rig.ts'

const BASIC: readonly [number, string][] = [
  [0, 'Acme Instruments'],
  [1, 'PM-5'],
  [2, 'V1.2'],
]
const REGULAR: readonly [number, string][] = [...BASIC, [3, 'http://acme.example'], [4, 'Power Meter 5'], [5, 'PM-5/L']]

describe('identify', () => {
  let clock: ManualClock
  let asking: Asking
  let station: Station

  beforeEach(async () => {
    clock = new ManualClock()
    const wire = new SimulatedWire({ clock, baudRate: 19_200, seed: 1 })
    station = new Station({ unit: 7, memory: new RegisterMap() })
    wire.attach(station)
    const tally = new Tally()
    const board = new SimulatedBoard({ wires: { 'rs485-1': wire } })
    const link = openLink({ settings: rtu({ baudRate: 19_200 }), clock, board, tally, random: () => 0.5 })
    asking = new Asking({ link, clock, tally })
    link.start()
    await clock.advance(20)
  })

  function has(conformity: number, objects: readonly [number, string][]): void {
    ;(station.memory as RegisterMap).identity = { conformity, objects: new Map(objects) }
  }

  function asked(keys: { extended?: boolean } = {}): Promise<Identity | null> {
    const about = { asking, device: 'meter', unit: 7, timeoutMs: 1000, retries: 0, signal: ALWAYS }
    return settled(clock, identify({ ...about, ...keys }))
  }

  test('a basic device: vendor, product and version in one request', async () => {
    has(1, BASIC)
    const identity = await asked()
    expect(identity).toEqual({
      conformity: 1,
      objects: new Map(BASIC),
      vendor: 'Acme Instruments',
      productCode: 'PM-5',
      version: 'V1.2',
    })
    expect(nameOfIdentity(identity!)).toBe('Acme Instruments PM-5 V1.2')
    expect(station.heard).toBe(1)
  })

  test('a regular device: the further objects in a second request', async () => {
    has(0x82, REGULAR)
    expect(await asked()).toMatchObject({
      productName: 'Power Meter 5',
      model: 'PM-5/L',
      vendorUrl: 'http://acme.example',
    })
    expect(station.heard).toBe(2)
  })

  test("the vendor's own objects where they are asked for, what is no text as hex", async () => {
    has(3, [...REGULAR, [0x80, 'board 4'], [0x81, '\u0001\u0002']])
    expect((await asked())!.objects.has(0x80)).toBe(false)
    const { objects } = (await asked({ extended: true }))!
    expect([objects.get(0x80), objects.get(0x81)]).toEqual(['board 4', '0x0102'])
  })

  test('objects that take several answers are all read', async () => {
    const long = (id: number): [number, string] => [id, `${id}`.padEnd(200, 'x')]
    has(3, [...BASIC, ...[3, 4, 5, 6, 0x80, 0x90, 0xff].map(long)])
    const { objects } = (await asked({ extended: true }))!
    expect([...objects.keys()]).toEqual([0, 1, 2, 3, 4, 5, 6, 0x80, 0x90, 0xff])
  })

  test('a device that gives single objects only is asked for each', async () => {
    has(0x81, BASIC)
    station.alter = (frame) => (frame[1] === 43 && frame[3] !== 4 ? seal(7, Uint8Array.of(0xab, 3)) : frame)
    expect(await asked()).toMatchObject({ vendor: 'Acme Instruments', version: 'V1.2' })
  })

  test('a device that does not know the function does not identify itself', async () => {
    expect(await asked()).toBeNull()
    expect(station.heard).toBe(1)
  })

  test('a device that sends the same objects for ever is left', async () => {
    has(1, BASIC)
    station.alter = (frame) => {
      const pdu = frame.slice(1, -2)
      pdu[4] = 0xff
      return seal(7, pdu)
    }
    expect(await asked()).toMatchObject({ vendor: 'Acme Instruments' })
    expect(station.heard).toBeLessThan(4)
  })

  test('a gateway that cannot reach the unit, and silence, are no identity', async () => {
    station.alter = () => seal(7, Uint8Array.of(0xab, 11))
    await expect(asked()).rejects.toThrow('unit 7 does not answer the gateway in front of it (exception 11)')
    station.silent = true
    await expect(asked()).rejects.toThrow(/no answer within 1 s to FC43\/14 unit 7/)
  })
})
