/** A conveyor: pieces pass a light barrier, its counter is sixteen bits wide and rolls over. */
import { Reason } from '../../../contracts/batch.ts'
import { Rejected } from '../../../contracts/errors.ts'
import { type Machine, noise, Registers } from './registers.ts'

export function conveyor(name: string, unit: number): Machine {
  const registers = new Registers()
  const shake = noise(unit * 31_337)
  let wanted = 24
  let speed = 24
  let pieces = 65_480

  registers.define('holding', 0, 5)
  registers.sequence('holding', 5, 'belt')
  registers.writable('holding', 0, (value) => {
    if (value > 600) throw new Rejected('faster than the belt can run', { reason: Reason.illegalValue })
    wanted = value / 10
  })
  registers.set('holding', 0, wanted * 10)
  registers.set('holding', 2, pieces)

  return {
    name,
    unit,
    registers,
    step(seconds) {
      speed += (wanted - speed) * Math.min(1, seconds * 1.5)
      pieces += (speed / 60) * 6 * seconds
      registers.set('holding', 1, Math.max(0, speed + shake() * 0.2) * 10)
      registers.set('holding', 2, Math.floor(pieces) & 0xffff)
      registers.set('holding', 3, 180 + speed * 9 + shake() * 6)
      registers.set('holding', 4, speed > 1 ? 1 : 0)
    },
  }
}
