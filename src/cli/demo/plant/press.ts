/** A hydraulic press: closes, presses, opens, rests; oil warms with the work. */
import { type Machine, noise, Registers } from './registers.ts'

const STATES = [
  { code: 0, seconds: 1.2 },
  { code: 1, seconds: 0.8 },
  { code: 2, seconds: 1.0 },
  { code: 3, seconds: 0.7 },
] as const
const STROKE_MM = 320
const NOMINAL_KN = 630

export function press(name: string, unit: number): Machine {
  const registers = new Registers()
  const shake = noise(unit * 7919)
  let running = true
  let state = 0
  let within = 0
  let cycles = 41_200
  let oil = 38
  let hours = 6120

  registers.define('holding', 0, 7)
  registers.sequence('holding', 7, 'cycle')
  registers.define('holding', 100, 4)
  registers.sequence('holding', 104, 'health')
  registers.writable('coil', 0, (value) => {
    running = value !== 0
  })
  registers.set('coil', 0, 1)

  const show = (): void => {
    const share = within / STATES[state]!.seconds
    const position =
      state === 0 ? 0 : state === 1 ? share * STROKE_MM : state === 2 ? STROKE_MM : (1 - share) * STROKE_MM
    const force = state === 2 ? NOMINAL_KN * Math.sin(Math.PI * share) + shake() * 2 : Math.abs(shake()) * 0.5
    registers.set('holding', 0, state)
    registers.set('holding', 1, position * 10)
    registers.setFloat32('holding', 2, force)
    registers.setUint32('holding', 4, cycles)
    // Bit 0: guard closed, bit 1: two-hand control pressed, bit 8: oil hot.
    registers.set('holding', 6, 1 | (state === 1 ? 2 : 0) | (oil > 55 ? 0x100 : 0))
    registers.set('holding', 100, oil * 10)
    registers.set('holding', 101, (state === 2 ? 210 + shake() * 3 : 35 + shake()) * 10)
    registers.setUint32('holding', 102, hours * 10)
  }
  show()

  return {
    name,
    unit,
    registers,
    step(seconds) {
      hours += seconds / 3600
      oil += ((running ? 58 : 25) - oil) * (seconds / 600) + shake() * 0.02
      if (running || state !== 0) within += seconds
      while (within >= STATES[state]!.seconds) {
        within -= STATES[state]!.seconds
        if (state === 3) cycles++
        state = (state + 1) % STATES.length
        if (state === 0 && !running) within = 0
      }
      show()
    },
  }
}
