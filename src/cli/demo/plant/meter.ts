/** A three-phase meter with the register map of the Eastron SDM630-Modbus: input registers, float32, high word first
 *  (manufacturer's protocol document, input registers 30001 to 30381). */
import { type Machine, noise, Registers } from './registers.ts'

/** Not in the real device: where this one counts how often it was asked. */
export const METER_SEQUENCE = 1000

export function meter(name: string, unit: number): Machine {
  const registers = new Registers()
  const shake = noise(unit * 65_537)
  let elapsed = 0
  let importKwh = 48_213.4
  let importKvarh = 9_214.7
  registers.define('input', 0, 382)
  registers.sequence('input', METER_SEQUENCE, 'power')
  const put = (number: number, value: number): void => registers.setFloat32('input', number - 30_001, value)

  const show = (seconds: number): void => {
    const load = 0.55 + 0.35 * Math.sin(elapsed / 7) + shake() * 0.02
    const frequency = 50 + 0.02 * Math.sin(elapsed / 11) + shake() * 0.003
    let watts = 0
    let voltAmperes = 0
    let reactive = 0
    let amperes = 0
    let volts = 0
    for (let phase = 0; phase < 3; phase++) {
      const voltage = 231 + phase * 0.6 - load * 1.5 + shake() * 0.15
      const current = 32 * load * (1 + (phase - 1) * 0.06) + shake() * 0.1
      const factor = 0.93 + shake() * 0.004
      const apparent = voltage * current
      put(30_001 + 2 * phase, voltage)
      put(30_007 + 2 * phase, current)
      put(30_013 + 2 * phase, apparent * factor)
      put(30_019 + 2 * phase, apparent)
      put(30_025 + 2 * phase, apparent * Math.sqrt(1 - factor * factor))
      put(30_031 + 2 * phase, factor)
      put(30_037 + 2 * phase, (Math.acos(factor) * 180) / Math.PI)
      watts += apparent * factor
      voltAmperes += apparent
      reactive += apparent * Math.sqrt(1 - factor * factor)
      amperes += current
      volts += voltage
    }
    importKwh += (watts / 1000) * (seconds / 3600)
    importKvarh += (reactive / 1000) * (seconds / 3600)
    put(30_043, volts / 3)
    put(30_047, amperes / 3)
    put(30_049, amperes)
    put(30_053, watts)
    put(30_057, voltAmperes)
    put(30_061, reactive)
    put(30_063, watts / voltAmperes)
    put(30_067, (Math.acos(watts / voltAmperes) * 180) / Math.PI)
    put(30_071, frequency)
    put(30_073, importKwh)
    put(30_075, 0)
    put(30_077, importKvarh)
    put(30_343, importKwh)
    put(30_345, importKvarh)
  }
  show(0)

  return {
    name,
    unit,
    registers,
    step(seconds) {
      elapsed += seconds
      show(seconds)
    },
  }
}
