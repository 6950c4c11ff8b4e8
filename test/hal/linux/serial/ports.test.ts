import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BoardDescription } from '../../../../hal/contract.ts'
import { findPort } from '../../../../hal/linux/serial/ports.ts'
import { Retryable } from '../../../../src/contracts/errors.ts'
import { BoxTree } from '../box-tree.ts'

const BOARD: BoardDescription = {
  name: 'carrier',
  title: 'Our carrier',
  models: [],
  ports: {
    'rs485-1': { devices: ['/dev/ttyRS485', '/dev/ttySC*', 'usb-FTDI_*'], text: 'terminals 1 to 3' },
    'rs485-2': { devices: ['/dev/ttyS9'] },
  },
  leds: {},
}

describe('the device of a port', () => {
  let box: BoxTree
  beforeEach(() => {
    box = new BoxTree()
  })
  afterEach(() => box.close())
  const find = (name: string, env: Record<string, string> = {}): string =>
    findPort(name, BOARD, { root: box.root, env }).replace(box.root, '')

  it('is the first that is there of those the board names: a file, a pattern, a name that stays', () => {
    box.port('ttyUSB3', 1)
    box.link('dev/serial/by-id/usb-FTDI_7-port0', 'dev/ttyUSB3')
    expect(find('rs485-1')).toBe('/dev/serial/by-id/usb-FTDI_7-port0')
    box.port('ttySC1', 1)
    box.port('ttySC0', 1)
    expect(find('rs485-1')).toBe('/dev/ttySC0')
    box.port('ttyRS485', 1)
    expect(find('rs485-1')).toBe('/dev/ttyRS485')
  })

  it('is what the environment says before what the board says', () => {
    box.port('ttyRS485', 1)
    expect(find('rs485-1', { FIELDGATE_PORT_RS485_1: '/dev/ttyUSB9' })).toBe('/dev/ttyUSB9')
    expect(find('rs485-1', { FIELDGATE_PORT_RS485_1: '' })).toBe('/dev/ttyRS485')
  })

  it('may be named by a port that the board does not know', () => {
    box.port('ttyUSB0', 1)
    box.link('dev/serial/by-id/usb-CH340-if00', 'dev/ttyUSB0')
    expect([find('usb-CH340-if00'), find('ttyUSB0')]).toEqual(['/dev/serial/by-id/usb-CH340-if00', '/dev/ttyUSB0'])
  })

  it('that is not there names what the board says, which terminal it is, and the ports the board has', () => {
    expect(() => find('rs485-1')).toThrow(Retryable)
    expect(() => find('rs485-1')).toThrow(
      /^rs485-1 is not there: board carrier says \/dev\/ttyRS485 or \/dev\/ttySC\* or usb-FTDI_\*, .*\(terminals 1 to 3\)/,
    )
    expect(() => find('rs485-3')).toThrow(/there is no serial port rs485-3.*board carrier has rs485-1, rs485-2/)
  })
})
