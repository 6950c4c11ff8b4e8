import { describe, expect, it } from 'vitest'
import { light } from '../../../src/health/language/states.ts'
import { familiesOf } from '../../../src/health/metrics/families.ts'
import { REPORT } from '../../console/terminal/sample-report.ts'

/** `NAME{labels} value` of all metrics whose name begins so. */
function told(report: typeof REPORT, beginning: string): string[] {
  return [...familiesOf({ report, devices: false, console: undefined } as never)]
    .filter(({ name }) => name.startsWith(beginning))
    .flatMap(({ name, samples }) =>
      [...samples].map(({ labels, value }) => `${name}${JSON.stringify(labels)} ${value}`),
    )
}

describe('the metrics of the box', () => {
  it('tell which state each light shows', () => {
    const report = { ...REPORT, lights: [light('net.buffering.50')] }
    expect(told(report, 'fieldgate_light_info')).toEqual([
      'fieldgate_light_info{"role":"NET","state":"net.buffering.50","pattern":"code","code":"2"} 1',
    ])
  })

  it('tell heat, storage and links where the box does, and nothing where it does not', () => {
    const machine = {
      celsius: 48.5,
      storages: [{ path: '/data', readOnly: true, inMemory: false, freeBytes: 10, totalBytes: 100, lifeUsed: 0.3 }],
      links: [{ name: 'eth0', carrier: true, addresses: 2 }],
    }
    const all = [
      ...told({ ...REPORT, machine }, 'fieldgate_box'),
      ...told({ ...REPORT, machine }, 'fieldgate_storage'),
      ...told({ ...REPORT, machine }, 'fieldgate_link'),
    ]
    expect(all).toEqual([
      'fieldgate_box_temperature_celsius{} 48.5',
      'fieldgate_box_throttled{} 0',
      'fieldgate_storage_free_bytes{"path":"/data"} 10',
      'fieldgate_storage_size_bytes{"path":"/data"} 100',
      'fieldgate_storage_read_only{"path":"/data"} 1',
      'fieldgate_storage_life_used_ratio{"path":"/data"} 0.3',
      'fieldgate_link_carrier{"interface":"eth0"} 1',
      'fieldgate_link_addresses{"interface":"eth0"} 2',
    ])
    expect(told(REPORT, 'fieldgate_storage')).toEqual([])
  })
})
