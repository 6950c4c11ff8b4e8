/** Finds a SunSpec map in a device and walks its models (SunSpec Device Information Model Specification, 6: "SunS", then models of
 *  id, length and points, up to id 0xFFFF). Pure but for the reading it is handed. */

/** `count` holding registers from wire address `address` on; null: the device refuses them. Throws when nothing answers. */
export type ReadRegisters = (address: number, count: number) => Promise<Uint16Array | null>

export interface FoundModel {
  readonly id: number
  /** Wire address of its first point, behind id and length. */
  readonly address: number
  /** Its points' registers, as they were; null: the device refused them. */
  readonly registers: Uint16Array | null
  readonly length: number
}

export interface SunSpecMap {
  readonly base: number
  readonly models: readonly FoundModel[]
  /** How the map ends, when not as it should. */
  readonly ending: string | null
}

/** Where a map may begin (6.2), in the order in which it is looked for. */
export const BASES = [40_000, 50_000, 0] as const
const MARK = [0x5375, 0x6e53]
const END = 0xffff
/** No device has so many: what goes on and on is no map. */
const MOST_MODELS = 200
const MOST_REGISTERS = 125
const SMALLEST_READ = 16

/** undefined: there is no SunSpec map. `wanted`: whose points are read. */
export async function walkSunSpec(
  read: ReadRegisters,
  wanted: (id: number) => boolean,
): Promise<SunSpecMap | undefined> {
  for (const base of BASES) {
    const mark = await read(base, 2)
    if (mark !== null && mark[0] === MARK[0] && mark[1] === MARK[1])
      return { base, ...(await modelsFrom(read, base + 2, wanted)) }
  }
  return undefined
}

async function modelsFrom(
  read: ReadRegisters,
  first: number,
  wanted: (id: number) => boolean,
): Promise<Omit<SunSpecMap, 'base'>> {
  const models: FoundModel[] = []
  let at = first
  while (models.length < MOST_MODELS) {
    if (at + 2 > 65_536) return { models, ending: 'the map runs beyond the last register' }
    const header = await read(at, 2)
    if (header === null)
      return { models, ending: `the device refuses the header at holding:${at}: the map has no end mark` }
    const [id, length] = [header[0]!, header[1]!]
    if (id === END) return { models, ending: null }
    const address = at + 2
    if (id === 0 || length === END || address + length > 65_536) {
      return { models, ending: `what stands at holding:${at} (${id}, ${length}) is no header of a model` }
    }
    const registers = wanted(id) ? await readAll(read, address, length) : null
    models.push({ id, address, length, registers })
    at = address + length
  }
  return { models, ending: `more than ${MOST_MODELS} models: the rest is not looked at` }
}

/** In requests as large as the device answers. */
async function readAll(read: ReadRegisters, address: number, length: number): Promise<Uint16Array | null> {
  const all = new Uint16Array(length)
  let most = MOST_REGISTERS
  for (let done = 0; done < length; ) {
    const count = Math.min(most, length - done)
    const part = await read(address + done, count)
    if (part !== null) {
      all.set(part, done)
      done += count
    } else if (count <= SMALLEST_READ) return null
    else most = Math.ceil(count / 2)
  }
  return all
}
