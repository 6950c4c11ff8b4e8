import { describe, expect, it } from 'vitest'
import { fromTelegraf } from '../../../src/cli/import/telegraf.ts'
import { words } from '../../southbound/modbus/image.ts'
import { imported } from './imported.ts'

const read = (toml: string) => imported(fromTelegraf(toml, 'telegraf.conf'))
const swapped = (all: number[]): number[] => all.map((word) => ((word & 0xff) << 8) | (word >> 8))

const REGISTER = `
[agent]
  interval = "5s"
[[inputs.modbus]]
  name = "press"
  slave_id = 3
  timeout = "1500ms"
  controller = "tcp://10.0.0.7:1502"
  discrete_inputs = [ { name = "start", address = [4]} ]
  coils = [ { name = "run", address = [0]} ]
  holding_registers = [
    { name = "power_factor", byte_order = "AB",   data_type = "FIXED", scale=0.01,  address = [8]},
    { name = "energy",       byte_order = "ABCD", data_type = "FIXED", scale=0.001, address = [5,6]},
    { name = "current",      byte_order = "CDAB", data_type = "UFIXED", scale=0.001, address = [1,2]},
    { name = "frequency",    byte_order = "BA",   data_type = "UFIXED", scale=0.1,  address = [7]},
    { name = "flow",         byte_order = "DCBA", data_type = "FLOAT32-IEEE", scale=2.0, address = [10,11]},
    { name = "total",        byte_order = "BADCFEHG", data_type = "INT64", scale=1.0, address = [12,13,14,15]},
    { name = "low",          byte_order = "AB", data_type = "INT8L", scale=1.0, address = [16]},
    { name = "high",         byte_order = "BA", data_type = "UINT8H", scale=1.0, address = [17]},
  ]
  input_registers = [ { name = "level", byte_order = "AB", data_type = "INT16", scale=1.0, address = [0]} ]
`

describe('the register style', () => {
  it('is a connection, a device and its tags, which read what Telegraf reads', async () => {
    const { configuration, values, tags } = await read(REGISTER)
    expect(tags).toBe(11)
    expect(configuration.connections).toMatchObject([
      { name: '10.0.0.7', driver: 'modbus-tcp', settings: { host: '10.0.0.7', port: 1502, timeout: 1500 } },
    ])
    expect(configuration.groups).toMatchObject([{ everyMs: 5000, device: { name: 'press', settings: { unitId: 3 } } }])
    const [c, d] = words('uint32', 123_456)
    const found = values({
      discrete: { 4: [1] },
      coil: { 0: [0] },
      input: { 0: words('int16', -7) },
      holding: {
        1: [d!, c!],
        5: words('int32', -70_000),
        7: swapped(words('uint16', 500)),
        8: words('int16', -98),
        10: swapped(words('float32', 1.5)).reverse(),
        12: swapped(words('int64', -5_000_000_000)),
        16: [0x12fe],
        17: [0x34c8],
      },
    })
    expect(found).toEqual({
      'press/modbus/start': true,
      'press/modbus/run': false,
      'press/modbus/power_factor': -0.98,
      'press/modbus/energy': -70,
      'press/modbus/current': 123.456,
      'press/modbus/frequency': 50,
      'press/modbus/flow': 3,
      'press/modbus/total': -5_000_000_000,
      'press/modbus/low': -2,
      // Little endian: the high byte comes second.
      'press/modbus/high': 0xc8,
      'press/modbus/level': -7,
    })
  })
})

const REQUEST = `
[[inputs.modbus]]
  name = "hall"
  controller = "file:///dev/ttyUSB0"
  baud_rate = 19200
  parity = "N"
  configuration_type = "request"
  [[inputs.modbus.request]]
    slave_id = 1
    byte_order = "DCBA"
    register = "holding"
    fields = [
      { address=0, name="voltage", type="INT16", scale=0.1 },
      { address=1, name="current", type="INT32", scale=0.001, measurement="W" },
      { address=3, name="power",   type="UINT32", omit=true },
      { address=5, name="half",    type="FLOAT16" },
    ]
    [inputs.modbus.request.tags]
      machine = "impresser"
  [[inputs.modbus.request]]
    slave_id = 2
    register = "coil"
    fields = [ { address=0, name="jog" }, { address=3, name="hot", output="BOOL" } ]
  [inputs.modbus.workarounds]
    pause_between_requests = "20ms"
    one_request_per_field = true
`

describe('the request style', () => {
  it('of a line of ASCII stays one', async () => {
    const { configuration } = await read(
      REQUEST.replace('baud_rate = 19200', 'baud_rate = 19200\n  data_bits = 7\n  transmission_mode = "ASCII"'),
    )
    expect(configuration.connections).toMatchObject([{ driver: 'modbus-ascii', settings: { dataBits: 7 } }])
  })

  it('brings along who switches the transmitter', async () => {
    const withRs485 = (keys: string) => `${REQUEST}\n  [inputs.modbus.rs485]\n${keys}`
    const { configuration, notes } = await read(
      withRs485(
        'delay_rts_before_send = "1500us"\ndelay_rts_after_send = "1s"\nrts_high_after_send = true\nrx_during_tx = true',
      ),
    )
    expect(configuration.connections[0]!.settings).toMatchObject({
      rs485: { mode: 'kernel', rtsOnSend: 'low', delayBeforeMs: 2, delayAfterMs: 100, receiveWhileSending: true },
    })
    expect(notes.filter((note) => note.includes('rs485'))).toEqual([
      expect.stringContaining('longer than the kernel waits'),
    ])
    const plain = await read(withRs485('rts_high_during_send = true'))
    expect(plain.configuration.connections[0]!.settings).toMatchObject({ rs485: { mode: 'kernel', rtsOnSend: 'high' } })
    const neither = await read(withRs485('rx_during_tx = false'))
    expect(neither.configuration.connections[0]!.settings).toMatchObject({ rs485: { mode: 'kernel' } })
    expect(neither.notes.join()).toContain('same level during and after sending')
  })

  it('is a device for each slave, a group for each measurement, labels from its tags', async () => {
    const { configuration, values, notes } = await read(REQUEST)
    expect(configuration.connections).toMatchObject([
      {
        name: 'ttyUSB0',
        driver: 'modbus-rtu',
        settings: { port: '/dev/ttyUSB0', baudRate: 19_200, parity: 'none', pause: 20 },
      },
    ])
    expect(configuration.groups.map(({ ref }) => `${ref.device}/${ref.group}`)).toEqual([
      'hall-1/modbus',
      'hall-1/W',
      'hall-2/modbus',
    ])
    expect(configuration.groups[0]!.ref.tags[0]).toMatchObject({ labels: { machine: 'impresser' } })
    expect(
      values({
        holding: {
          0: swapped(words('int16', 2301)),
          1: swapped(words('int32', -1500)).reverse(),
          5: swapped([0xc000]),
        },
        coil: { 0: [1], 3: [1] },
      }),
    ).toEqual({
      'hall-1/modbus/voltage': 230.1,
      'hall-1/modbus/half': -2,
      'hall-1/W/current': -1.5,
      'hall-2/modbus/jog': true,
      'hall-2/modbus/hot': true,
    })
    expect(notes).toEqual([
      '[[inputs.modbus]] 1: workarounds.one_request_per_field has no counterpart: requests are planned, neighbours are read together',
      '[[inputs.modbus]] 1, request 1: 1 omitted field: set maxGap on the device where such holes may be read along',
      '[[inputs.modbus]] 1, request 2 "jog": is 0 or 1 in Telegraf and false or true here',
    ])
  })
})

const METRIC = `
[[inputs.modbus]]
  name = "meter"
  controller = "tcp://localhost:502"
  transmission_mode = "RTUoverTCP"
  configuration_type = "metric"
  optimization = "max_insert"
  interval = "1m30s"
  [[inputs.modbus.metric]]
    slave_id = 7
    byte_order = "CDAB"
    measurement = "energy"
    fields = [
      { register="input", address=0, name="power", type="FLOAT32", scale=0.001 },
      { address=5, name="flag", type="BIT", bit=9 },
      { address=9, name="firmware", type="STRING", length=3 },
      { address=20, name="double", type="FLOAT64" },
      { address=30, name="rounded", type="INT16", scale=0.5, output="INT64" },
      { address=31, name="bad", type="INT8L" },
      { address=31, name="worse", type="INT24" },
    ]
`

describe('the metric style', () => {
  it('reads bits, strings and each register kind, and lists what cannot be', async () => {
    const { configuration, values, notes } = await read(METRIC)
    expect(configuration.connections[0]).toMatchObject({ driver: 'modbus-rtu-over-tcp' })
    expect(configuration.devices[0]!.settings).toMatchObject({ unitId: 7, maxGap: 50 })
    expect(configuration.groups[0]).toMatchObject({ everyMs: 90_000, ref: { group: 'energy' } })
    const found = values({
      input: { 0: words('float32', 2500).reverse() },
      holding: { 5: [1 << 9], 9: [0x5631, 0x2e32, 0], 20: words('float64', -0.1).reverse(), 30: [5] },
    })
    expect(found).toEqual({
      'meter/energy/power': 2.5,
      'meter/energy/flag': true,
      'meter/energy/firmware': 'V1.2',
      'meter/energy/double': -0.1,
      'meter/energy/rounded': 2.5,
    })
    expect(notes.map((note) => note.replace(/^.*?metric 1 /, ''))).toEqual([
      '"flag": is 0 or 1 in Telegraf and false or true here',
      '"rounded": output INT64: Telegraf cuts the decimals off; here they are kept',
      '"bad": type INT8L has the byte order ABCD or DCBA: left out',
      '"worse": type INT24 is unknown: left out',
    ])
  })
})

describe('a file of Telegraf', () => {
  it('that is no TOML is wrong at its line and column', () => {
    expect(() => fromTelegraf('[[inputs.modbus]]\nname = "x\n', 't.conf')).toThrow(/^t\.conf:2:\d+: this is not TOML/)
    expect(() => fromTelegraf('[[inputs.cpu]]\n', 't.conf')).toThrow('t.conf: there is no [[inputs.modbus]] in it')
  })

  it('keeps references to its environment, and says what is another plugin', async () => {
    const { text, notes } = await read(
      REGISTER.replace('10.0.0.7', '${PLC}').replace('[agent]', '[[inputs.cpu]]\n[agent]'),
    )
    expect(text).toContain('host: "${env:PLC}"')
    expect(notes).toContain('[[inputs.cpu]]: is another plugin: not carried over')
  })

  it('cannot name our environment or our files', async () => {
    const { text, notes, configuration } = await read(
      REGISTER.replace('[[inputs.modbus]]', '[[inputs.modbus]]\n  tags = { site = "${file:/etc/passwd}" }'),
    )
    expect(text.replace(/^#.*$/gm, '')).not.toContain('${')
    expect(configuration.groups[0]!.ref.labels).toEqual({ site: '$ {file:/etc/passwd}' })
    expect(notes.join()).toContain('would begin a reference here')
  })

  it('leaves out what the check refuses, with the reason', async () => {
    const { tags, notes, text } = await read(
      REGISTER.replace(
        'address = [8]}',
        'address = [8]}, { name = "far", byte_order="ABCD", data_type="INT32", scale=1.0, address=[65535,65536]}',
      ).replace('slave_id = 3', 'slave_id = 3\n  fancy = 1'),
    )
    expect(tags).toBe(11)
    expect(notes).toContain('[[inputs.modbus]] 1: fancy is not carried over')
    expect(notes.join()).toMatch(/"far": the value ends beyond the last holding register.*left out/)
    expect(text).toMatch(/^# - \[\[inputs\.modbus\]\] 1: fancy is not carried over$/m)
  })
})
