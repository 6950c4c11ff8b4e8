/** The shipped profiles: each reads the registers its document names. The pictures below are written by hand from the documents:
 *  wire address in hexadecimal, words as they stand on the wire. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import * as catalog from '../../../src/catalog.ts'
import { budgets } from '../../../src/cli/check.ts'
import type { Configuration } from '../../../src/config/configuration.ts'
import { load } from '../../../src/config/load.ts'
import type { DeviceSettings, TagSettings } from '../../../src/southbound/modbus/settings.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'
import { type Image, valuesOf } from './image.ts'

const FOLDER = fileURLToPath(new URL('../../../src/southbound/modbus/profiles/', import.meta.url))
const NAMES = readdirSync(FOLDER).map((file) => file.replace('.yaml', ''))

async function using(profile: string): Promise<Configuration> {
  const text = `connections: { bus: { driver: modbus-rtu, port: p } }\ndevices: { m: { connection: bus, unitId: 1, profile: ${profile} } }\n`
  const loaded = await load({ file: '/nowhere/gateway.yaml', text, kinds: await catalog.kinds(), env: {} })
  if (!loaded.ok) throw new Error(loaded.problems.map(({ line, text: said }) => `${line}: ${said}`).join('\n'))
  return loaded.configuration
}

/** float32 by hand: 0x43660000 is 230. */
const V230 = [0x4366, 0x0000]

interface Expectation {
  readonly image: Image
  readonly values: Readonly<Record<string, unknown>>
}

/** Registers the picture does not name read 0. */
const EXPECTED: Readonly<Record<string, Expectation>> = {
  sdm630: {
    image: {
      input: {
        0: [...V230, 0x4366, 0x4000, 0x4365, 0xc000],
        6: [0x3fa0, 0x0000],
        12: [0xc2c8, 0x0000],
        52: [0x447a, 0x0000],
        62: [0xbf73, 0x3333],
        70: [0x4247, 0xeb85],
        72: [0x4640, 0xe400],
        74: [0x3f80, 0x0000],
      },
    },
    values: {
      'power/voltage-l1': 230,
      'power/voltage-l2': 230.25,
      'power/voltage-l3': 229.75,
      'power/current-l1': 1.25,
      'power/active-power-l1': -100,
      'power/active-power': 1000,
      'power/power-factor': -0.95,
      'power/frequency': 49.98,
      'energy/active-import': 12345,
      'energy/active-export': 1,
    },
  },
  sdm120: {
    image: {
      input: {
        0: V230,
        6: [0x3fa0, 0],
        12: [0xc2c8, 0],
        30: [0x3f00, 0],
        70: [0x4248, 0],
        72: [0x4640, 0xe400],
        342: [0x4640, 0xe800],
      },
    },
    values: {
      'power/voltage': 230,
      'power/current': 1.25,
      'power/active-power': -100,
      'power/power-factor': 0.5,
      'power/frequency': 50,
      'energy/active-import': 12345,
      'energy/active-total': 12346,
    },
  },
  sdm230: {
    image: {
      input: {
        0: V230,
        36: [0x4234, 0],
        78: [0x3f80, 0],
        84: [0x447a, 0],
        86: [0x44fa, 0],
        258: [0x3fa0, 0],
        264: [0x4020, 0],
        344: [0x4000, 0],
      },
    },
    values: {
      'power/voltage': 230,
      'power/phase-angle': 45,
      'energy/reactive-export': 1,
      'demand/active-demand': 1000,
      'demand/active-demand-max': 2000,
      'demand/current-demand': 1.25,
      'demand/current-demand-max': 2.5,
      'energy/reactive-total': 2,
    },
  },
  iem3155: {
    image: {
      holding: {
        2999: [0x3fa0, 0],
        3027: V230,
        3059: [0x3f00, 0],
        3109: [0x4248, 0],
        3203: [0x0000, 0x0000, 0x00bc, 0x614e],
        3207: [0x8000, 0, 0, 0],
        3517: [0, 0, 0, 7],
        // A quantity that is not available is not a number.
        3067: [0xffc0, 0],
      },
    },
    values: {
      'power/current-l1': 1.25,
      'power/voltage-l1': 230,
      'power/active-power': 0.5,
      'power/frequency': 50,
      'power/reactive-power': null,
      'energy/active-import': 12_345_678,
      'energy/active-import-l1': 7,
    },
  },
  em340: {
    // Low word first: 2301 is 08FD 0000, -1000 is FC18 FFFF.
    image: {
      input: {
        0: [0x08fd, 0, 0xffff, 0x7fff],
        12: [1250, 0],
        18: [0xfc18, 0xffff],
        40: [0x86a0, 0x0001],
        49: [0xfc4a],
        51: [499],
        52: [0xe240, 0x0001],
        78: [5, 0],
      },
    },
    values: {
      'power/voltage-l1': 230.1,
      'power/voltage-l2': null,
      'power/current-l1': 1.25,
      'power/active-power-l1': -100,
      'power/active-power': 10_000,
      'power/power-factor': -0.95,
      'power/frequency': 49.9,
      'energy/active-import': 12_345.6,
      'energy/active-export': 0.5,
    },
  },
  b23: {
    image: {
      holding: {
        20480: [0, 0, 0x0012, 0xd687],
        20484: [0xffff, 0xffff, 0xffff, 0xffff],
        20488: [0xffff, 0xffff, 0xffff, 0xff9c],
        23296: [0, 2301, 0xffff, 0xffff],
        23308: [0, 125],
        23316: [0xffff, 0xd8f0, 0x7fff, 0xffff],
        23340: [4998],
        23354: [0xfc4a],
      },
    },
    values: {
      'energy/active-import': 12_345.67,
      'energy/active-export': null,
      'energy/active-net': -1,
      'power/voltage-l1': 230.1,
      'power/voltage-l2': null,
      'power/current-l1': 1.25,
      'power/active-power': -100,
      'power/active-power-l1': null,
      'power/frequency': 49.98,
      'power/power-factor': -0.95,
    },
  },
  umg96rm: {
    image: {
      holding: {
        19000: V230,
        19012: [0x3fa0, 0],
        19020: [0xc2c8, 0],
        19026: [0x447a, 0],
        19044: [0x3f00, 0],
        19050: [0x4248, 0],
        19062: [0x3f80, 0],
        19068: [0x4640, 0xe400],
        19076: [0x4000, 0],
      },
    },
    values: {
      'power/voltage-l1': 230,
      'power/current-l1': 1.25,
      'power/active-power-l1': -100,
      'power/active-power': 1000,
      'power/cos-phi-l1': 0.5,
      'power/frequency': 50,
      'energy/active-import-l1': 1,
      'energy/active-import': 12345,
      'energy/active-export': 2,
    },
  },
  pac3200: {
    image: {
      holding: {
        1: V230,
        13: [0x3fa0, 0],
        25: [0xc2c8, 0],
        55: [0x4248, 0],
        65: [0x447a, 0],
        69: [0x3f00, 0],
        801: [0x40c8, 0x1c80, 0, 0],
        809: [0x3ff8, 0, 0, 0],
      },
    },
    values: {
      'power/voltage-l1': 230,
      'power/current-l1': 1.25,
      'power/active-power-l1': -100,
      'power/frequency': 50,
      'power/active-power': 1000,
      'power/power-factor': 0.5,
      'energy/active-import': 12_345,
      'energy/active-export': 1.5,
    },
  },
  'diris-a10': {
    image: {
      holding: {
        50512: [0, 4250],
        50514: [0, 39_900],
        50520: [0, 23_010],
        50526: [0, 4998],
        50528: [0, 1250],
        50536: [0xffff, 0xff9c],
        50542: [0xffff, 0xfc4a],
        50544: [0, 250],
        50770: [0x0001, 0xe240],
        50776: [0, 3],
      },
    },
    values: {
      'energy/hours': 42.5,
      'power/voltage-l1-l2': 399,
      'power/voltage-l1': 230.1,
      'power/frequency': 49.98,
      'power/current-l1': 1.25,
      'power/active-power': -1,
      'power/power-factor': -0.95,
      'power/active-power-l1': 2.5,
      'energy/active-import': 123_456,
      'energy/active-export': 3,
    },
  },
  fc302: {
    // Register n is n - 1 on the wire: the manual's own example reads register 3030 at 0BD5h = 3029.
    image: {
      holding: {
        16019: [0xfe0c],
        16029: [0x0882],
        16099: [0, 150],
        16119: [4000],
        16129: [505],
        16139: [0, 325],
        16159: [0xff9c],
        16169: [0xffff, 0xfa24],
        16299: [560],
        16339: [41],
        16899: [0x0001, 0x0000],
      },
    },
    values: {
      'drive/reference': -50,
      'drive/status-word': 0x0882,
      'drive/power': 1.5,
      'drive/motor-voltage': 400,
      'drive/frequency': 50.5,
      'drive/motor-current': 3.25,
      'drive/torque': -10,
      'drive/speed': -1500,
      'drive/dc-link-voltage': 560,
      'drive/heatsink-temperature': 41,
      'state/alarm-word': 65_536,
    },
  },
}

/** All registers of the configuration as 0, the picture over them. */
function filled(configuration: Configuration, image: Image): Image {
  const words = new Map<string, number[]>()
  for (const { tags } of configuration.groups) {
    for (const { settings } of tags) {
      const { area, address, span } = settings as TagSettings
      for (let at = address; at < address + span; at++) words.set(`${area}:${at}`, [0])
    }
  }
  for (const [area, stretches] of Object.entries(image)) {
    for (const [first, some] of Object.entries(stretches)) {
      some.forEach((word, at) => {
        const place = `${area}:${Number(first) + at}`
        if (!words.has(place)) throw new Error(`the profile reads nothing at ${place}`)
        words.set(place, [word])
      })
    }
  }
  const areas: Record<string, Record<number, number[]>> = {}
  for (const [place, word] of words) {
    const [area, at] = place.split(':') as [string, string]
    areas[area] = { ...areas[area], [Number(at)]: word }
  }
  return areas as Image
}

const UNITS = new Set([
  'V',
  'A',
  'W',
  'kW',
  'VA',
  'kVA',
  'var',
  'kvar',
  'Wh',
  'kWh',
  'varh',
  'kvarh',
  'Hz',
  '°',
  '°C',
  '%',
  'h',
  'N.m',
  '1/min',
])

/** ABB A43/A44 user manual 2CMC480001M0201 revision C, page 170: an answer and what the manual says it means. */
const ABB_EXAMPLE = {
  23304: [0, 0x0fca, 0, 0x0fc0],
  23308: [0, 0x65, 0, 0xc9, 0, 0x12e, 0, 0x86],
  23316: [0x0001, 0xe8e4, 0, 0x5ae2, 0, 0xb097, 0, 0xdd6b],
  23324: [0, 0x7541, 0, 0x1c, 0xffff, 0xd04a, 0, 0xa4db],
  23332: [0x0002, 0x25c3, 0, 0x5ae2, 0, 0xb6df, 0x0001, 0x1402],
  23340: [0x1383],
  23354: [0x03cc, 0x03e8, 0x03c6],
}

describe('the shipped profiles', () => {
  it('are ten, each with an expectation of its own', () => {
    expect(NAMES.sort()).toEqual(Object.keys(EXPECTED).sort())
    expect(NAMES).toHaveLength(10)
  })

  it.each(NAMES)('%s reads its document’s registers as engineering values', async (name) => {
    const configuration = await using(name)
    const { image, values } = EXPECTED[name]!
    const found = valuesOf(configuration.groups, filled(configuration, image))
    expect(found).toMatchObject(Object.fromEntries(Object.entries(values).map(([tag, value]) => [`m/${tag}`, value])))
  })

  it.each(NAMES)('%s says whose it is, where it is from, and spells its units as the others do', async (name) => {
    const text = readFileSync(`${FOLDER}${name}.yaml`, 'utf8')
    for (const key of ['title', 'manufacturer', 'models', 'source'])
      expect(text).toMatch(new RegExp(`^${key}: ..{2,}`, 'm'))
    const { groups } = await using(name)
    const units = groups.flatMap(({ ref }) => ref.tags.map(({ unit }) => unit)).filter((unit) => unit !== undefined)
    expect(units.filter((unit) => !UNITS.has(unit))).toEqual([])
  })

  it.each(NAMES)('%s is planned in requests that its device answers', async (name) => {
    const configuration = await using(name)
    const [connection] = await budgets(configuration, new ManualClock())
    const most = (configuration.devices[0]!.settings as DeviceSettings).maxRegisters
    const requests = connection!.groups.flatMap((group) => group.requests)
    for (const request of requests) {
      const [, from, to = from] = /, (\d+)(?:–(\d+))?$/.exec(request)!
      expect(Number(to) - Number(from) + 1).toBeLessThanOrEqual(most)
    }
    const tags = configuration.groups.reduce((sum, group) => sum + group.tags.length, 0)
    expect(requests.length).toBeLessThanOrEqual(tags)
  })

  it('b23 reads the manual’s own example as the manual does', async () => {
    const configuration = await using('b23')
    const found = valuesOf(configuration.groups, filled(configuration, { holding: ABB_EXAMPLE }))
    expect(found).toMatchObject({
      'm/power/voltage-l3-l2': 404.2,
      'm/power/voltage-l1-l3': 403.2,
      'm/power/current-l1': 1.01,
      'm/power/current-l3': 3.02,
      'm/power/current-n': 1.34,
      'm/power/active-power': 1251.56,
      'm/power/active-power-l3': 566.83,
      'm/power/reactive-power': 300.17,
      'm/power/reactive-power-l2': -122.14,
      'm/power/apparent-power': 1407.39,
      'm/power/apparent-power-l3': 706.58,
      'm/power/power-factor': 0.972,
      'm/power/power-factor-l1': 1,
    })
  })
})
