/** What comes over a Modbus TCP connection on which several questions wait. */
import type { Dice } from './dice.ts'
import { chunksOf } from './line-streams.ts'
import { type Asked, otherWriteReply, rightReply, wrongCountReply, wrongFunctionReply } from './questions.ts'

/** One frame to be: who it answers is filled in when the transaction ids are known. */
interface Adu {
  /** Which question's id it carries; null: `strayId`. */
  readonly answers: number | null
  readonly strayId: number
  readonly protocol: number
  /** What its header says beyond the bytes there are. */
  readonly lengthError: number
  readonly body: Uint8Array
}

export interface SocketStream {
  readonly kind: string
  readonly frames: number
  /** The bytes, with these transaction ids for the questions. */
  chunks(ids: readonly number[]): readonly Uint8Array[]
}

interface Scene {
  readonly dice: Dice
  readonly asked: readonly Asked[]
  /** An id whose question was given up. */
  readonly retiredId: number
}

type Recipe = (scene: Scene) => readonly Adu[]

function adu(answers: number | null, unit: number, pdu: Uint8Array, more: Partial<Adu> = {}): Adu {
  return { answers, strayId: 0, protocol: 0, lengthError: 0, body: Uint8Array.of(unit, ...pdu), ...more }
}

function shuffled<T>(dice: Dice, things: readonly T[]): readonly T[] {
  const mixed = [...things]
  for (let at = mixed.length - 1; at > 0; at--) {
    const other = dice.below(at + 1)
    const thing = mixed[at]!
    mixed[at] = mixed[other]!
    mixed[other] = thing
  }
  return mixed
}

function goodOf({ dice, asked }: Scene, of: number): Adu {
  return adu(of, asked[of]!.unit, rightReply(dice, asked[of]!))
}

const goods: Recipe = (scene) =>
  shuffled(
    scene.dice,
    scene.asked.map((_, of) => goodOf(scene, of)),
  )

/** One frame that is not the answer, and the answers behind it, one of which may then be too late. */
function first(spoil: (scene: Scene, of: number) => Adu): Recipe {
  return (scene) => [spoil(scene, scene.dice.below(scene.asked.length)), ...goods(scene)]
}

const RECIPES: Readonly<Record<string, Recipe>> = {
  'good replies': goods,
  'exceptions and replies': (scene) =>
    goods(scene).map((good) =>
      scene.dice.chance(0.5)
        ? { ...good, body: Uint8Array.of(good.body[0]!, good.body[1]! | 0x80, scene.dice.below(12)) }
        : good,
    ),
  'only some': (scene) => goods(scene).slice(1),
  'a reply twice': (scene) => {
    const replies = goods(scene)
    return [...replies, goodOf(scene, scene.dice.below(scene.asked.length)), ...replies.slice(0, 1)]
  },
  'late reply': first(({ dice, asked, retiredId }, of) =>
    adu(null, asked[of]!.unit, rightReply(dice, asked[of]!), { strayId: retiredId }),
  ),
  'stray transaction': first(({ dice, asked }, of) =>
    adu(null, asked[of]!.unit, rightReply(dice, asked[of]!), { strayId: dice.below(65536) }),
  ),
  'another unit': first(({ dice, asked }, of) =>
    adu(of, (asked[of]!.unit + dice.between(1, 255)) & 0xff, rightReply(dice, asked[of]!)),
  ),
  "another question's answer": first(({ dice, asked }, of) =>
    adu(of, asked[of]!.unit, rightReply(dice, dice.pick(asked))),
  ),
  'wrong function': first(({ dice, asked }, of) => adu(of, asked[of]!.unit, wrongFunctionReply(dice, asked[of]!))),
  'wrong byte count': first(({ dice, asked }, of) => adu(of, asked[of]!.unit, wrongCountReply(dice, asked[of]!))),
  'another write confirmed': first(({ dice, asked }, of) =>
    adu(of, asked[of]!.unit, otherWriteReply(dice, asked[of]!)),
  ),
  'wrong protocol': first(({ dice, asked }, of) =>
    adu(of, asked[of]!.unit, rightReply(dice, asked[of]!), { protocol: dice.between(1, 65535) }),
  ),
  'wrong length': first(({ dice, asked }, of) =>
    adu(of, asked[of]!.unit, rightReply(dice, asked[of]!), { lengthError: dice.between(-4, 4) }),
  ),
  'absurd length': first(({ dice, asked }, of) =>
    adu(of, asked[of]!.unit, rightReply(dice, asked[of]!), { lengthError: dice.pick([255, 1000, 60_000, -1000]) }),
  ),
}
const KINDS = [...Object.keys(RECIPES), 'cut short', 'bits turned', 'garbage']

export function randomSocketStream(scene: Scene): SocketStream {
  const { dice } = scene
  const kind = dice.pick(KINDS)
  const adus = (RECIPES[kind] ?? goods)(scene)
  const [place, amount, seed] = [dice.below(2 ** 30), dice.between(1, 3), dice.below(2 ** 30)]
  const noise = kind === 'garbage' ? dice.bytes(dice.between(1, 40)) : null
  const split = dice.below(2 ** 30)
  return {
    kind,
    frames: adus.length,
    chunks(ids) {
      const whole = Buffer.concat(adus.map((one) => written(one, ids)))
      const bytes = noise === null ? whole : Buffer.concat(place % 2 === 0 ? [noise, whole] : [whole, noise])
      if (kind === 'bits turned') {
        for (let flip = 0; flip < amount; flip++)
          bytes[(place + flip * seed) % bytes.length]! ^= 1 << ((seed >> flip) % 8)
      }
      const end = kind === 'cut short' ? place % bytes.length : bytes.length
      return chunksOf(dice.fork(split), bytes.subarray(0, end))
    },
  }
}

function written(one: Adu, ids: readonly number[]): Uint8Array {
  const id = one.answers === null ? one.strayId : ids[one.answers]!
  const length = (one.body.length + one.lengthError) & 0xffff
  const bytes = new Uint8Array(6 + one.body.length)
  bytes.set([id >> 8, id & 0xff, one.protocol >> 8, one.protocol & 0xff, length >> 8, length & 0xff])
  bytes.set(one.body, 6)
  return bytes
}
