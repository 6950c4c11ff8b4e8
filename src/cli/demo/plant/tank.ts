/** A coolant tank: it drains, a pump fills it between two levels, a float switch says when it overflows. */
import { type Machine, noise, Registers } from './registers.ts'

export function tank(name: string, unit: number): Machine {
  const registers = new Registers()
  const shake = noise(unit * 50_021)
  let level = 62
  let pumping = false
  let enabled = true
  registers.define('holding', 0, 3)
  registers.sequence('holding', 3, 'level')
  registers.define('discrete', 0, 2)
  registers.writable('coil', 0, (value) => {
    enabled = value !== 0
  })
  registers.set('coil', 0, 1)

  return {
    name,
    unit,
    registers,
    step(seconds) {
      if (level < 40) pumping = true
      if (level > 85) pumping = false
      const flow = pumping && enabled ? 5.2 : 0
      level = Math.min(100, Math.max(0, level + (flow - 2.1) * seconds * 0.5))
      registers.set('holding', 0, (level + shake() * 0.05) * 100)
      registers.set('holding', 1, (flow === 0 ? 0 : flow + shake() * 0.1) * 100)
      // Negative when the return line sucks air: a signed register.
      registers.set('holding', 2, (flow === 0 ? -12 : 210) + shake() * 3)
      registers.set('discrete', 0, pumping && enabled ? 1 : 0)
      registers.set('discrete', 1, level > 95 ? 1 : 0)
    },
  }
}
