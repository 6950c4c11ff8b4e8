/** Random questions, and what a device that is well would say to them. */
import type { Dice } from './dice.ts'
import { type Question, sealed } from './reference.ts'

/** A question with what the decoders under test want to know of it. */
export interface Asked extends Question {
  readonly address: number
  /** What a write writes; null for a read. */
  readonly payload: Uint8Array | null
  readonly file?: number
  readonly writeAddress?: number
  readonly category?: 1 | 2 | 3 | 4
}

const CODES = [1, 1, 2, 3, 3, 3, 3, 4, 4, 5, 6, 15, 16, 16, 20, 22, 23, 24, 43] as const
const CODES_OF_READS = CODES.filter((code) => code < 5)
const MOST: Readonly<Record<number, number>> = {
  1: 2000,
  2: 2000,
  3: 125,
  4: 125,
  15: 1968,
  16: 123,
  20: 121,
  23: 125,
  24: 31,
}

function words(...numbers: number[]): number[] {
  return numbers.flatMap((number) => [number >> 8, number & 0xff])
}

export function randomQuestion(dice: Dice, options: { units: readonly [number, number]; reads?: boolean }): Asked {
  const code = dice.pick(options.reads ? CODES_OF_READS : CODES)
  const unit = dice.between(...options.units)
  const most = MOST[code] ?? 1
  // Most questions of the field are short; those at the limits are where things go wrong.
  const size = dice.below(20)
  const quantity = size < 13 ? dice.between(1, Math.min(most, 10)) : size < 19 ? dice.between(1, most) : most
  const address = dice.chance(0.1) ? dice.pick([0, 65536 - quantity]) : dice.below(65536 - quantity)
  const head = [code, ...words(address)]
  const asked = (pdu: readonly number[], payload: Uint8Array | null, more: Partial<Asked> = {}): Asked => ({
    unit,
    code,
    pdu: Uint8Array.from(pdu),
    quantity,
    address,
    payload,
    ...more,
  })
  switch (code) {
    case 5: {
      const payload = Uint8Array.of(dice.chance(0.5) ? 0xff : 0, 0)
      return asked([...head, ...payload], payload)
    }
    case 6:
    case 22: {
      const payload = dice.bytes(code === 6 ? 2 : 4)
      return asked([...head, ...payload], payload)
    }
    case 15:
    case 16: {
      const payload = dice.bytes(code === 15 ? Math.ceil(quantity / 8) : 2 * quantity)
      return asked([...head, ...words(quantity), payload.length, ...payload], payload)
    }
    case 20: {
      const file = dice.between(1, 65535)
      return asked([20, 7, 6, ...words(file, address, quantity)], null, { file })
    }
    case 23: {
      const payload = dice.bytes(2 * dice.between(1, dice.chance(0.1) ? 121 : 4))
      const count = payload.length / 2
      const writeAddress = dice.below(65536 - count)
      const pdu = [...head, ...words(quantity, writeAddress, count), payload.length, ...payload]
      return asked(pdu, payload, { writeAddress })
    }
    case 24:
      return asked(head, null)
    case 43: {
      const category = dice.pick([1, 2, 3, 4] as const)
      const object = dice.below(256)
      return { ...asked([43, 14, category, object], null, { category }), address: object, quantity: 1 }
    }
    default:
      return asked([...head, ...words(quantity)], null)
  }
}

/** A question whose own bytes, when they come back as an echo, are or hold what looks like its answer. */
export function treacherousQuestion(dice: Dice, units: readonly [number, number]): Asked {
  const unit = dice.between(...units)
  if (dice.chance(0.3)) {
    // As long as the answer, and its third byte is the answer's count.
    const [code, address, quantity] = [dice.pick([1, 2]), 0x300 + dice.below(256), dice.between(17, 24)]
    return { unit, code, pdu: Uint8Array.of(code, ...words(address, quantity)), quantity, address, payload: null }
  }
  const quantity = dice.between(8, 123)
  const address = dice.chance(0.03) ? addressOfTwin(dice, unit, quantity) : dice.below(65536 - quantity)
  const head = Uint8Array.of(16, ...words(address, quantity))
  const confirmation = sealed(unit, head)
  const payload = dice.bytes(2 * quantity)
  if (confirmation[6] === payload.length) payload[0] = confirmation[7]!
  else {
    const exception = sealed(unit, Uint8Array.of(0x90, dice.between(1, 11)))
    const inside = dice.chance(0.5) ? confirmation : exception
    payload.set(inside, dice.below(payload.length - inside.length + 1))
  }
  return { unit, code: 16, pdu: Uint8Array.of(...head, payload.length, ...payload), quantity, address, payload }
}

/** Where a write's first bytes end in what would be the CRC of its confirmation. */
function addressOfTwin(dice: Dice, unit: number, quantity: number): number {
  const first = dice.below(65536 - quantity)
  for (let address = first; address < 65536 - quantity; address++) {
    if (sealed(unit, Uint8Array.of(16, ...words(address, quantity)))[6] === 2 * quantity) return address
  }
  return first
}

/** The PDU of a reply that is right. */
export function rightReply(dice: Dice, { code, quantity, pdu }: Question): Uint8Array {
  switch (code) {
    case 1:
    case 2: {
      const count = Math.ceil(quantity / 8)
      return Uint8Array.of(code, count, ...dice.bytes(count))
    }
    case 3:
    case 4:
    case 23:
      return Uint8Array.of(code, 2 * quantity, ...dice.bytes(2 * quantity))
    case 15:
    case 16:
      return pdu.slice(0, 5)
    case 20:
      return Uint8Array.of(20, 2 + 2 * quantity, 1 + 2 * quantity, 6, ...dice.bytes(2 * quantity))
    case 24: {
      const count = dice.between(0, 31)
      return Uint8Array.of(24, ...words(2 + 2 * count, count), ...dice.bytes(2 * count))
    }
    case 43: {
      const objects = Array.from({ length: dice.between(0, 4) }, (_, id) => {
        const text = dice.bytes(dice.between(0, 12))
        return [id, text.length, ...text]
      })
      return Uint8Array.of(43, 14, pdu[2]!, 0x83, 0, 0, objects.length, ...objects.flat())
    }
    default:
      return pdu.slice()
  }
}

/** The PDU of a reply that is not one: of another function, with another count, or the confirmation of another write. */
export function wrongFunctionReply(dice: Dice, question: Question): Uint8Array {
  const reply = rightReply(dice, question)
  reply[0] = dice.pick([1, 2, 3, 4, 5, 6, 15, 16, 20, 22, 23, 24, 43].filter((code) => code !== question.code))
  return reply
}

export function wrongCountReply(dice: Dice, question: Question): Uint8Array {
  const reply = rightReply(dice, question)
  const way = dice.below(3)
  // Another number of registers, all of it in order.
  if (way === 0 && MOST[question.code] !== undefined && question.code < 20) {
    const quantity = dice.between(1, MOST[question.code]!)
    return rightReply(dice, {
      ...question,
      quantity,
      pdu: Uint8Array.of(...question.pdu.slice(0, 3), ...words(quantity)),
    })
  }
  // A count that lies, or bytes too few or too many behind one that does not.
  if (way === 1) reply[1] = (reply[1]! + dice.between(1, 255)) & 0xff
  else if (dice.chance(0.5)) return reply.slice(0, Math.max(1, reply.length - dice.between(1, 3)))
  else return Uint8Array.of(...reply, ...dice.bytes(dice.between(1, 3)))
  return reply
}

export function otherWriteReply(dice: Dice, question: Question): Uint8Array {
  const reply = rightReply(dice, question)
  const at = dice.between(1, Math.max(1, reply.length - 1))
  reply[at]! ^= 1 << dice.below(8)
  return reply
}
