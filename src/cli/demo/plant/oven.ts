/** An oven of two zones: heaters against losses, a controller, and a third thermocouple whose wire breaks now and then. */
import { Reason } from '../../../contracts/batch.ts'
import { Rejected } from '../../../contracts/errors.ts'
import { type Machine, noise, Registers } from './registers.ts'

const AMBIENT = 22
/** Kelvin a second at full power, and the share of the difference that is lost a second. */
const HEATING = 1.6
const LOSS = 0.004
const COUPLING = 0.01
/** What this maker's amplifier sends for an open thermocouple. */
const OPEN_CIRCUIT = 0x7fff

export function oven(name: string, unit: number): Machine {
  const registers = new Registers()
  const shake = noise(unit * 104_729)
  const zones = [176, 171]
  let setpoint = 180
  let integral = 0.35
  let duty = 0
  let elapsed = 0

  registers.define('input', 0, 5)
  registers.sequence('input', 5, 'zones')
  registers.define('discrete', 0, 2)
  registers.writable('holding', 0, (value) => {
    if (value < 200 || value > 3000) throw new Rejected('setpoint out of range', { reason: Reason.illegalValue })
    setpoint = value / 10
  })
  registers.set('holding', 0, setpoint * 10)

  const show = (): void => {
    const open = elapsed % 90 > 78
    registers.set('input', 0, (zones[0]! + shake() * 0.1) * 10)
    registers.set('input', 1, (zones[1]! + shake() * 0.1) * 10)
    registers.set('input', 2, open ? OPEN_CIRCUIT : ((zones[0]! + zones[1]!) / 2 - 6 + shake() * 0.1) * 10)
    registers.set('input', 3, duty * 1000)
    registers.set('input', 4, duty * 12_000)
    registers.set('discrete', 0, doorOpen() ? 1 : 0)
    registers.set('discrete', 1, Math.abs(zones[0]! - setpoint) < 2 ? 1 : 0)
  }
  const doorOpen = (): boolean => elapsed % 60 > 54
  show()

  return {
    name,
    unit,
    registers,
    step(seconds) {
      elapsed += seconds
      const error = setpoint - zones[0]!
      integral = Math.min(1, Math.max(0, integral + error * 0.0005 * seconds))
      duty = Math.min(1, Math.max(0, error * 0.08 + integral))
      const loss = doorOpen() ? LOSS * 5 : LOSS
      const exchange = (zones[0]! - zones[1]!) * COUPLING
      zones[0]! += (duty * HEATING - (zones[0]! - AMBIENT) * loss - exchange) * seconds
      zones[1]! += (duty * HEATING * 0.9 - (zones[1]! - AMBIENT) * loss + exchange) * seconds
      show()
    },
  }
}
