import { describe, expect, test } from 'vitest'
import { diagnose, type Evidence } from '../../../src/southbound/modbus/diagnosis/diagnosis.ts'

/** A device that answers, before something is wrong with it. */
const FINE: Evidence = {
  device: 'press',
  unit: 3,
  kind: 'rtu',
  where: 'rs485-1',
  line: '9600 8N1',
  enabled: true,
  trouble: null,
  sent: true,
  answer: 'answer',
  exception: null,
  attendance: { answers: null, text: 'not asked yet' },
  listens: false,
  impostor: null,
  collided: false,
  otherMaster: false,
  otherLine: null,
  neighbours: { asked: 0, answering: [], damaged: [] },
  strangers: [],
  refusal: null,
  odd: null,
}

describe('what cannot be brought about on a simulated wire', () => {
  test.each<[string, Partial<Evidence>, RegExp]>([
    ['port busy', { trouble: 'rs485-1 (/dev/ttyUSB0) is in use by another program' }, /^Stop the other program/],
    [
      'port busy',
      { trouble: 'bus is in use by another, the kernel\'s console: remove "console=ttyAMA0" and restart the box' },
      /^Free rs485-1: remove "console=ttyAMA0" and restart the box\.$/,
    ],
    ['port missing', { trouble: 'bus has no hardware behind it. There is /dev/ttyS0' }, /^Plug the adapter in/],
    ['no direction', { trouble: 'bus cannot switch its transmitter: its driver has no RS-485 mode' }, /mode adapter/],
    ['port forbidden', { trouble: 'rs485-1 may not be opened by this user: add it to group dialout' }, /group dialout/],
    ['port missing', { trouble: 'rs485-1 was unplugged or failed' }, /^Plug the adapter in/],
    ['unreachable', { kind: 'tcp', trouble: '10.0.0.7:502 cannot be reached: no such host on the network' }, /cable/],
    ['host silent', { kind: 'tcp', trouble: '10.0.0.7:502 does not answer: is the device on?' }, /power, its address/],
    ['no connection', { kind: 'tcp', trouble: '10.0.0.7:502 broke the connection off' }, /network/],
    ['not heard', { answer: 'unasked', sent: null, listens: true }, /whether the other master asks press/],
    ['not sent', { sent: false, answer: 'silent' }, /^Unplug the adapter/],
    ['two masters', { answer: 'damaged', collided: true }, /second master/],
    ['line dead', { kind: 'rtu-over-tcp', answer: 'silent' }, /the converter’s baud rate/],
  ])('%s', (branch, found, action) => {
    const verdict = diagnose({ ...FINE, ...found })
    expect(verdict.branch).toBe(branch)
    expect(verdict.action).toMatch(action)
  })

  test('a device that is polled well is said to answer, though nothing may be asked', () => {
    const attendance = { answers: true, text: 'answers' }
    expect(diagnose({ ...FINE, answer: 'unasked', sent: null, attendance }).branch).toBe('answers')
  })
})
