import { describe } from 'vitest'
import { SimulatedWire } from '../../../hal/simulated/wire.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'
import { serialPortSuite } from '../../contracts/serial-suite.ts'
import { settled } from '../../southbound/modbus/rig.ts'

describe('the simulated port', () => {
  serialPortSuite(async () => {
    const clock = new ManualClock()
    const wire = new SimulatedWire({ clock, baudRate: 19_200 })
    const heard: number[] = []
    wire.attach({
      hear(frame) {
        heard.push(...frame)
        return null
      },
    })
    return {
      port: wire.port('rs485-1'),
      send: (bytes) => wire.inject(bytes),
      received: () => Uint8Array.from(heard),
      unplug: () => wire.unplug(),
      async until(holds) {
        for (let ms = 0; !holds() && ms < 5000; ms++) await clock.advance(1)
        if (!holds()) throw new Error('waited five seconds in vain')
      },
      settled: (promise) => settled(clock, promise),
      close: async () => {},
    }
  })
})
