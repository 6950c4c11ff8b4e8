import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { parseListen } from '../../../src/southbound/modbus/network/dial-in.ts'
import { modbusRtu, modbusRtuOverTcp, modbusTcp } from '../../../src/southbound/modbus/schema/schema.ts'
import { connectionSettings, type RtuSettings } from '../../../src/southbound/modbus/settings.ts'
import { complaints, resolve, rtu, settingsOf, tcp } from './configured.ts'

const wrong = (schema: z.ZodObject, keys: object): string[] => {
  const result = schema.safeParse(keys)
  return result.success ? [] : result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
}

describe('a connection', () => {
  it('over a line has the defaults of the reference page', () => {
    expect(rtu()).toEqual({
      kind: 'rtu',
      port: 'rs485-1',
      baudRate: 9600,
      dataBits: 8,
      parity: 'none',
      stopBits: 1,
      timeoutMs: 1000,
      retries: 1,
      pauseMs: 0,
      pauseAfterConnectMs: 0,
      framing: 'rtu',
      mode: 'master',
      masters: 'sole',
      quietMs: 50,
      connect: 'keep',
      checkUnit: true,
      order: 'ABCD',
      digits: 'one-based',
      maxRegisters: 125,
      maxBits: 2000,
      maxGap: 0,
    })
  })

  it('over TCP waits three seconds on port 502, one request at a time', () => {
    expect(tcp()).toMatchObject({ kind: 'tcp', host: 'plc', port: 502, timeoutMs: 3000, inFlight: 1 })
    const over = modbusRtuOverTcp.connection.parse({ host: 'gw', port: 4001 })
    expect(connectionSettings(over)).toMatchObject({ kind: 'rtu-over-tcp', host: 'gw', port: 4001, timeoutMs: 3000 })
    expect(connectionSettings(over)).not.toHaveProperty('inFlight')
  })

  it('reads its durations', () => {
    expect(tcp({ timeout: '250ms', pause: '5ms', pauseAfterConnect: '1s' })).toMatchObject({
      timeoutMs: 250,
      pauseMs: 5,
      pauseAfterConnectMs: 1000,
    })
    expect(wrong(modbusTcp.connection, { host: 'x', timeout: '250' })).toEqual([
      'timeout: expected a duration such as 250ms, 1s or 5m',
    ])
    expect(wrong(modbusTcp.connection, { host: 'x', timeout: 250 })).toEqual([
      'timeout: expected a duration such as 250ms, 1s or 5m',
    ])
    expect(tcp({ pause: 0 })).toMatchObject({ pauseMs: 0 })
    expect(wrong(modbusTcp.connection, { host: 'x', timeout: '0' })).toEqual(['timeout: expected at least 1ms'])
  })

  it('over a line says who switches the transmitter, and leaves to the board what it does not say', () => {
    expect(rtu()).not.toHaveProperty('rs485')
    expect(rtu({ rs485: {} })).toMatchObject({ rs485: { mode: 'auto' } })
    const enable = { chip: 'pinctrl-bcm2711', line: 'GPIO4', activeLow: true }
    const given = { mode: 'gpio', enable, delayBefore: '1ms', delayAfter: 0 }
    expect(rtu({ rs485: given })).toMatchObject({
      rs485: { mode: 'gpio', enable, delayBeforeMs: 1, delayAfterMs: 0 },
    })
    expect(Object.keys((rtu({ rs485: { mode: 'kernel', rtsOnSend: 'low' } }) as RtuSettings).rs485!)).toEqual([
      'mode',
      'rtsOnSend',
    ])
    expect(connectionSettings(rtu({ rs485: given }))).toEqual(rtu({ rs485: given }))
  })

  it('refuses what contradicts the way of switching', () => {
    const enable = { chip: 'pinctrl-bcm2711', line: 4 }
    const of = (rs485: object): string[] => wrong(modbusRtu.connection, { port: 'p', rs485 })
    expect(of({ mode: 'kernel', enable })).toEqual([
      'rs485.enable: enable belongs to mode gpio or auto: with mode kernel the driver knows its own line',
    ])
    expect(of({ mode: 'gpio', enable, terminate: true, rtsOnSend: 'low' })).toEqual([
      'rs485.rtsOnSend: rtsOnSend belongs to mode kernel or auto: a line of a GPIO chip only enables the transmitter',
      'rs485.terminate: terminate belongs to mode kernel or auto: a line of a GPIO chip only enables the transmitter',
    ])
    expect(of({ mode: 'adapter', delayAfter: '1ms' })).toEqual([
      'rs485.delayAfter: delayAfter cannot be had with mode adapter: the hardware switches by itself',
    ])
    expect(of({ mode: 'rts' })).toEqual(['rs485.mode: expected auto, kernel, gpio or adapter'])
    expect(of({ mode: 'gpio', enable: { line: 4 } })).toEqual([
      'rs485.enable.chip: expected the label of a GPIO chip, such as pinctrl-bcm2711',
    ])
    expect(of({ delayBefore: '101ms' })).toEqual(['rs485.delayBefore: expected at most 100ms'])
    expect(of({ rts: 'high' })[0]).toMatch(/rts/)
    expect(wrong(modbusTcp.connection, { host: 'x', rs485: {} })).toEqual([
      'rs485: rs485 belongs to a serial line: the converter switches its transmitter by itself',
    ])
  })

  it('settings given twice stay as they are', () => {
    expect(connectionSettings(rtu())).toEqual(rtu())
  })

  it('says what is not available in this version', () => {
    expect(wrong(modbusRtu.connection, { port: 'p', dataBits: 7 })).toEqual([expect.stringContaining('modbus-ascii')])
  })

  it('leads to a host, or waits for a call, not both', () => {
    for (const { connection } of [modbusTcp, modbusRtuOverTcp]) {
      expect(wrong(connection, {})).toEqual([expect.stringMatching(/^host: expected the name .* or listen/)])
      expect(wrong(connection, { host: 'a', backupHost: 'b' })).toEqual([])
      expect(wrong(connection, { host: 'a', backupHost: 'a' })).toHaveLength(1)
      expect(wrong(connection, { listen: ':502' })).toEqual([])
      expect(wrong(connection, { listen: '502' })).toEqual([expect.stringContaining('such as ":502"')])
      expect(wrong(connection, { listen: ':502', host: 'a' })).toEqual([expect.stringContaining('dials in')])
      expect(wrong(connection, { listen: ':502', connect: 'per-cycle' })).toHaveLength(1)
    }
    expect(['192.0.2.1:1502', '[::1]:502', '*:502', ':0', ':70000', 'a:b:1'].map(parseListen)).toEqual([
      { host: '192.0.2.1', port: 1502 },
      { host: '::1', port: 502 },
      { port: 502 },
      null,
      null,
      null,
    ])
  })

  it('says where a key belongs', () => {
    expect(wrong(modbusRtu.connection, { port: 'p', inFlight: 4 })).toEqual([expect.stringContaining('modbus-tcp')])
    expect(wrong(modbusRtuOverTcp.connection, { host: 'x', inFlight: 4 })).toEqual([
      expect.stringContaining('modbus-tcp'),
    ])
  })

  it('refuses what is no byte order, and translates other products’ names', () => {
    expect(wrong(modbusTcp.connection, { host: 'x', order: 'ABAB' })).toEqual([
      expect.stringContaining('no byte order'),
    ])
    expect(wrong(modbusTcp.connection, { host: 'x', order: '#BL' })).toEqual(['order: "#BL" is written CDAB here'])
    expect(wrong(modbusTcp.connection, { host: 'x', order: 'little-endian' })).toEqual([
      expect.stringContaining('written DCBA'),
    ])
  })

  it('keeps within the protocol’s limits', () => {
    expect(wrong(modbusTcp.connection, { host: 'x', maxRegisters: 126, maxBits: 2001, retries: -1 })).toHaveLength(3)
  })

  it('describes every key, and can be written as JSON Schema', () => {
    for (const kind of [modbusRtu, modbusTcp, modbusRtuOverTcp]) {
      for (const part of [kind.connection, kind.device, kind.tag]) {
        for (const [key, shape] of Object.entries(part.shape)) {
          expect(z.globalRegistry.get(shape as z.ZodType)?.description, key).toBeTypeOf('string')
        }
        expect(z.toJSONSchema(part, { io: 'input' })).toHaveProperty('properties')
      }
    }
  })
})

describe('a device', () => {
  it('takes from its connection what it does not say', () => {
    const connection = modbusTcp.connection.parse({ host: 'x', timeout: '2s', order: 'CDAB', maxGap: 4, retries: 3 })
    const device = modbusTcp.device.parse({ unitId: 7, timeout: '100ms', noTouch: ['holding:100-120', '40301'] })
    expect(modbusTcp.resolveDevice(device, connection)).toEqual({
      unitId: 7,
      order: 'CDAB',
      digits: 'one-based',
      timeoutMs: 100,
      retries: 3,
      maxRegisters: 125,
      maxBits: 2000,
      maxGap: 4,
      noTouch: [
        { area: 'holding', from: 100, to: 120 },
        { area: 'holding', from: 300, to: 300 },
      ],
      setup: [],
      setupWrites: false,
    })
  })

  it('has a unit from 1 to 247 on a line, 0 to be a broadcast there, and from 0 to 255 over TCP', () => {
    expect(wrong(modbusRtu.device, { unitId: 0 })).toEqual([])
    expect(wrong(modbusRtu.device, { unitId: 248 })).toHaveLength(1)
    expect(wrong(modbusRtu.device, {})).toHaveLength(1)
    expect(wrong(modbusTcp.device, { unitId: 255 })).toEqual([])
    expect(wrong(modbusTcp.device, { unitId: 256 })).toHaveLength(1)
    expect(modbusTcp.device.parse({})).toMatchObject({ unitId: 1 })
  })

  it('can only be read where the connection listens', () => {
    const listening = modbusRtu.connection.parse({ port: 'a', mode: 'listen' })
    const device = modbusRtu.device.parse({ unitId: 1 })
    const resolved = (keys: object, access: 'r' | 'rw') =>
      modbusRtu.resolve(modbusRtu.tag.parse(keys), device, listening, { noValueBits: [], access })
    expect(resolved({ address: '40001', type: 'int16' }, 'r')).not.toHaveProperty('problems')
    expect(resolved({ address: '40001', type: 'int16' }, 'rw')).toMatchObject({ problems: [{ key: 'access' }] })
    expect(resolved({ address: 'fifo:1', type: 'uint16' }, 'r')).toMatchObject({ problems: [{ key: 'address' }] })
    expect(wrong(modbusTcp.connection, { host: 'a', mode: 'listen' })).toEqual([
      expect.stringContaining('belongs to a serial line'),
    ])
  })

  it('refuses ranges it cannot read', () => {
    expect(wrong(modbusTcp.device, { noTouch: ['holding:9-3'] })).toEqual([
      expect.stringContaining('ends before it begins'),
    ])
  })
})

describe('a tag', () => {
  const at = (type: string, rest: object = {}) => ({ address: '40001', type, ...rest })

  it('becomes an area, a wire address and a format', () => {
    expect(settingsOf(at('float32', { address: '30011' }))).toMatchObject({
      area: 'input',
      address: 10,
      span: 2,
      words: null,
      write: 'auto',
    })
    expect(settingsOf({ address: ['40005', '40001'], type: 'uint32' })).toMatchObject({
      address: 0,
      span: 5,
      words: [4, 0],
    })
    expect(settingsOf({ address: '40001', type: 'int16' }, { device: { digits: 'zero-based' } })).toMatchObject({
      address: 1,
    })
    expect(settingsOf({ address: 40_001, type: 'int16' })).toMatchObject({ address: 0 })
  })

  it.each([
    [at('int16'), 'integer', 'int16'],
    [at('float32'), 'real', 'float32'],
    [at('string', { length: 4 }), 'text', 'string'],
    [at('bytes', { length: 4 }), 'bytes', 'bytes'],
    [at('datetime', { layout: 'unix' }), 'text', 'datetime'],
    [at('int16', { count: 2 }), 'array', 'int16'],
    [at('bool'), 'boolean', 'bool'],
    [{ address: 'C1' }, 'boolean', 'bool'],
    [{ address: '40001.3' }, 'boolean', 'bool'],
    [{ address: '40001', bits: 3 }, 'boolean', 'bool'],
    [{ address: '40001', bits: '4-6' }, 'integer', 'uint16'],
  ])('%j is of kind %s and type %s', (tag, kind, type) => {
    expect(resolve(tag)).toMatchObject({ kind, type })
  })

  it.each([
    [{ address: '50000', type: 'int16' }, 'address: "50000"'],
    [{ address: 40001.1, type: 'int16' }, 'address: quote it'],
    [{ address: 1, type: 'int16' }, 'address: 1 does not say its area'],
    [{ address: '40001' }, 'type: a register needs a type'],
    [{ address: '465536', type: 'int32' }, 'address: the value ends beyond the last holding register'],
    [at('string'), 'length: string needs length'],
    [at('int16', { length: 2 }), 'length: int16 always has 2 bytes'],
    [at('datetime'), 'layout: datetime needs layout'],
    [at('datetime', { layout: 'unix', timezone: 'Mars/Base' }), 'timezone: "Mars/Base" is no time zone'],
    [at('int16', { timezone: 'UTC' }), 'timezone: timezone belongs to type datetime'],
    [at('datetime', { layout: 'unix', length: 6 }), 'length: unix has 4 or 8 bytes, not 6'],
    [at('float32', { order: 'BA' }), 'order: order BA is for 2 bytes, float32 has 4'],
    [at('float32', { order: 'ABCDEFGH' }), 'order: order ABCDEFGH is for 8 bytes'],
    [at('float32', { bits: 3 }), 'bits: bits are taken out of integers'],
    [at('uint16', { bits: '6-4' }), 'bits: bits "6-4": write the lower one first'],
    [at('uint16', { bits: 16 }), 'bits: uint16 has the bits 0 to 15'],
    [at('uint32', { address: '40001.3' }), 'type: ".3" is one bit of one register'],
    [at('bool', { address: '40001.3', bits: 2 }), 'bits: the address names bit 3 already'],
    [at('int16', { byte: 'high' }), 'byte: byte picks half of a register'],
    [at('int16', { count: 126 }), 'count: the value takes 126 registers; Modbus reads at most 125'],
    [{ address: 'C1', type: 'int16' }, 'type: a coil is a bool, not int16'],
    [{ address: 'C1', order: 'AB' }, 'order: order belongs to registers'],
    [{ address: ['40001', '30002'], type: 'int32' }, 'address: the words of a value must all be in one area'],
    [{ address: ['40001', '40001'], type: 'int32' }, 'address: the list names a register twice'],
    [{ address: ['40001', '40003', '40005'], type: 'int32' }, 'address: int32 has 2 registers, the list names 3'],
    [
      { address: ['40001', '40003'], type: 'int32', order: 'CDAB' },
      'order: the list of addresses says which word is high',
    ],
    [{ address: ['40001', '40300'], type: 'int32' }, 'address: the value takes 300 registers'],
    [at('int32', { write: { function: 'single' } }), 'write: function: single writes one register'],
  ])('%j is refused: %s', (tag, why) => {
    expect(complaints(tag)).toEqual([expect.stringContaining(why)])
  })

  it('is measured against what its device gives at once', () => {
    expect(complaints(at('float64'), { device: { maxRegisters: 2 } })).toEqual([
      expect.stringContaining('maxRegisters allows the device 2'),
    ])
  })

  it('says when a preset order does not fit, and whose it is', () => {
    expect(complaints(at('int16'), { device: { order: 'CDABGHEF' } })).toEqual([
      'order: the order CDABGHEF that the device presets is for 8 bytes, int16 has 2: give the tag one of ABCD, CDAB, BADC, DCBA',
    ])
  })

  it('has room for its bit patterns', () => {
    expect(complaints(at('int16'), { noValueBits: [0x18000n] })).toEqual([
      'noValue: 0x18000 has more bits than the 16 of int16',
    ])
    expect(complaints(at('string', { length: 2 }), { noValueBits: [0n] })).toEqual([
      expect.stringContaining('a string has none'),
    ])
    expect(complaints({ address: 'C1' }, { noValueBits: [0n] })).toEqual([
      expect.stringContaining('no pattern to spare'),
    ])
  })

  it.each<[string, object, string]>([
    [
      'an input register',
      { address: '30001', type: 'int16' },
      'access: 30001 is an input register: it can only be read',
    ],
    ['a discrete input', { address: '10001' }, 'access: 10001 is a discrete input: it can only be read'],
    [
      'more than one request carries',
      at('int16', { count: 124 }),
      'access: the value takes 124; Modbus writes at most 123',
    ],
    ['bits of words apart', { address: ['40001', '40003'], type: 'uint32', bits: 3 }, 'access: bits of a value whose'],
    [
      'a whole value by mask',
      at('int16', { write: { function: 'mask' } }),
      'write: function: mask changes a part of one',
    ],
    ['two registers by mask', at('uint32', { bits: 3, write: { function: 'mask' } }), 'write: function: mask changes'],
    [
      'two registers singly',
      at('uint32', { write: { function: 'single' } }),
      'write: function: single writes one register',
    ],
    [
      'two coils singly',
      { address: 'C1', count: 2, write: { function: 'single' } },
      'write: function: single writes one coil',
    ],
  ])('cannot be written: %s', (_, tag, text) => {
    for (const access of ['rw', 'w'] as const) {
      const [said, ...more] = complaints(tag as Record<string, unknown>, { access })
      expect([said?.slice(0, text.length), more]).toEqual([text, []])
    }
  })

  it('is not read because it is written, where nothing may be read', () => {
    const device = { noTouch: ['holding:0-9'] }
    const said = (tag: object, access: 'rw' | 'w' = 'w') =>
      complaints(tag as Record<string, unknown>, { device, access })
    expect(said({ address: '40001.3' })).toEqual([expect.stringContaining('give it write: { function: mask }')])
    expect(said(at('int16', { write: { readBack: true } }))).toEqual([expect.stringContaining('would be read')])
    expect(said({ address: ['40001', '40020'], type: 'uint32' })).toEqual([expect.stringContaining('write whole')])
    expect(said({ address: '40001.3', write: { function: 'mask' } })).toEqual([])
    expect(said(at('int16'))).toEqual([])
    expect(said({ address: '40011.3' })).toEqual([])
    expect(said({ address: '40001.3' }, 'rw')).toEqual([])
  })

  it('can be written: bits, halves, words apart, coils', () => {
    const tags = [
      { address: '40001.3', write: { function: 'mask', readBack: true } },
      at('uint8', { byte: 'high', write: { function: 'single', readBack: '100ms' } }),
      { address: ['40001', '40003'], type: 'uint32', write: { function: 'single' } },
      { address: 'C1', write: { function: 'multiple' } },
    ]
    for (const tag of tags) expect(complaints(tag, { access: 'rw' })).toEqual([])
    expect(settingsOf(tags[0]!)).toMatchObject({ write: 'mask', readBackMs: 0 })
    expect(settingsOf(tags[1]!)).toMatchObject({ write: 'single', readBackMs: 100 })
    expect(wrong(modbusTcp.tag, at('int16', { write: { readBack: '3s' } }))).toEqual([
      'write.readBack: expected at most 2s: the line waits meanwhile',
    ])
  })

  it('of a line with other masters is not read to be written back', () => {
    const said = (tag: object) => {
      const wire = modbusRtu.connection.parse({ port: 'rs485-1', masters: 'shared' })
      const device = modbusRtu.device.parse({ unitId: 3 })
      const found = modbusRtu.resolve(modbusRtu.tag.parse(tag), device, wire, { noValueBits: [], access: 'rw' })
      return 'problems' in found ? found.problems.map(({ text }) => text) : []
    }
    expect(said({ address: '40001.3' })).toEqual([])
    expect(said({ address: '40001.3', write: { function: 'mask' } })).toEqual([])
    expect(said(at('uint32', { write: { readBack: true } }))).toEqual([])
    expect(said({ address: '40001.3', write: { function: 'single' } })).toEqual([
      expect.stringContaining('leave the function to auto or mask'),
    ])
    expect(said(at('uint32', { bits: '4-20' }))).toEqual([expect.stringContaining('write whole registers')])
  })

  it('of unit 0 on a line is only written, in whole registers, and never read back', () => {
    const said = (tag: object, access: 'rw' | 'w', schema: typeof modbusRtu | typeof modbusTcp = modbusRtu) => {
      const wire = schema.connection.parse(schema === modbusTcp ? { host: 'plc' } : { port: 'rs485-1' })
      const device = schema.device.parse({ unitId: 0 })
      const found = schema.resolve(schema.tag.parse(tag), device, wire, { noValueBits: [], access })
      return 'problems' in found ? found.problems.map(({ text }) => text) : []
    }
    expect(said(at('int16'), 'w')).toEqual([])
    expect(said(at('int16'), 'rw')).toEqual([expect.stringContaining('unit 0 is everybody on the line')])
    expect(said({ address: '40001.3' }, 'w')).toEqual([expect.stringContaining('a broadcast writes whole registers')])
    expect(said(at('int16', { write: { readBack: true } }), 'w')).toEqual([expect.stringContaining('never answered')])
    expect(said(at('int16'), 'rw', modbusTcp)).toEqual([])
  })

  it('reports several mistakes at once', () => {
    expect(complaints(at('int16', { length: 3, byte: 'low', timezone: 'UTC' }))).toHaveLength(3)
  })
})
