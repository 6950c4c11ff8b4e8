/** The registers and coils of other units as they were last heard on the line, each with the moment of its frame. Pure. */

import type { Area } from '../settings.ts'
import type { Exchanged } from './conversation.ts'

const PAGE = 256

interface Page {
  readonly values: Uint16Array
  /** Monotonic milliseconds, 0: never. Registers of one frame have the very same number, of different frames never. */
  readonly heardAt: Float64Array
}

/** Function codes and what they read. */
export const READS: Readonly<Record<number, Area>> = { 1: 'coil', 2: 'discrete', 3: 'holding', 4: 'input' }

export class Overheard {
  /** By unit and area, then by address / PAGE. */
  readonly #pages = new Map<string, Map<number, Page>>()
  #lastAt = 0

  take({ unit, function: code, question, answer, at }: Exchanged): void {
    // Two frames may come in one lump.
    const heardAt = Math.max(at, this.#lastAt + 1e-6)
    this.#lastAt = heardAt
    const address = word(question, 1)
    const area = READS[code]
    const put = (to: Area, from: number, count: number, value: (index: number) => number): void => {
      for (let index = 0; index < count; index++) this.#put(unit, to, from + index, value(index), heardAt)
    }
    if (area === 'coil' || area === 'discrete') put(area, address, word(question, 3), (index) => bit(answer, 2, index))
    else if (area !== undefined) put(area, address, word(question, 3), (index) => word(answer, 2 + 2 * index))
    else if (code === 5) put('coil', address, 1, () => (question[3] === 0xff ? 1 : 0))
    else if (code === 6) put('holding', address, 1, () => word(question, 3))
    else if (code === 15) put('coil', address, word(question, 3), (index) => bit(question, 6, index))
    else if (code === 16) put('holding', address, word(question, 3), (index) => word(question, 6 + 2 * index))
    else if (code === 22) this.#mask(unit, address, word(question, 3), word(question, 5), heardAt)
    else if (code === 23) {
      const [writeTo, written] = [word(question, 5), word(question, 7)]
      put('holding', writeTo, written, (index) => word(question, 10 + 2 * index))
      put('holding', address, word(question, 3), (index) => word(answer, 2 + 2 * index))
    }
  }

  /** Copies `quantity` registers or coils to `target` as an answer would carry them. The moment of the frame they all came
   *  in; 0: they were not all heard, or not together. */
  copy(options: {
    unit: number
    area: Area
    address: number
    quantity: number
    /** Only these wire addresses count; null: all. */
    words: readonly number[] | null
    target: Uint8Array
  }): number {
    const { unit, area, address, quantity, words, target } = options
    const bits = area === 'coil' || area === 'discrete'
    const pages = this.#pages.get(`${unit} ${area}`)
    if (pages === undefined) return 0
    let moment = 0
    if (bits) target.fill(0, 0, (quantity + 7) >> 3)
    for (let index = 0; index < quantity; index++) {
      if (words !== null && !words.includes(address + index)) continue
      const page = pages.get(Math.floor((address + index) / PAGE))
      const at = (address + index) % PAGE
      const heardAt = page?.heardAt[at] ?? 0
      if (heardAt === 0 || (moment !== 0 && heardAt !== moment)) return 0
      moment = heardAt
      const value = page!.values[at]!
      if (bits) target[index >> 3]! |= value << (index & 7)
      else {
        target[2 * index] = value >> 8
        target[2 * index + 1] = value & 0xff
      }
    }
    return moment
  }

  #put(unit: number, area: Area, address: number, value: number, heardAt: number): void {
    const page = this.#page(unit, area, address)
    page.values[address % PAGE] = value
    page.heardAt[address % PAGE] = heardAt
  }

  /** What the bits outside the mask are is known only if the register was heard. */
  #mask(unit: number, address: number, and: number, or: number, heardAt: number): void {
    const page = this.#page(unit, 'holding', address)
    const at = address % PAGE
    if (page.heardAt[at] === 0) return
    page.values[at] = (page.values[at]! & and) | (or & ~and)
    page.heardAt[at] = heardAt
  }

  #page(unit: number, area: Area, address: number): Page {
    const key = `${unit} ${area}`
    let pages = this.#pages.get(key)
    if (pages === undefined) {
      pages = new Map()
      this.#pages.set(key, pages)
    }
    const number = Math.floor(address / PAGE)
    let page = pages.get(number)
    if (page === undefined) {
      page = { values: new Uint16Array(PAGE), heardAt: new Float64Array(PAGE) }
      pages.set(number, page)
    }
    return page
  }
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

function bit(bytes: Uint8Array, from: number, index: number): number {
  return (bytes[from + (index >> 3)]! >> (index & 7)) & 1
}
