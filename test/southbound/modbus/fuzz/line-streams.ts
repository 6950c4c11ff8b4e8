/** What comes over a line after a question: recipes of what the field does to it, and how the bytes arrive. */
import type { Dice } from './dice.ts'
import {
  type Asked,
  otherWriteReply,
  randomQuestion,
  rightReply,
  wrongCountReply,
  wrongFunctionReply,
} from './questions.ts'
import { sealed } from './reference.ts'

export interface LineStream {
  /** The kind of trouble, for the table of disagreements. */
  readonly kind: string
  readonly chunks: readonly Uint8Array[]
  /** How many frames it holds, whole or spoilt. */
  readonly frames: number
}

/** What a recipe has to go by. */
interface Scene {
  readonly dice: Dice
  readonly asked: Asked
  /** The question before this one: its answer may be late. */
  readonly before: Asked
}

type Recipe = (scene: Scene) => readonly Uint8Array[]

const good: Recipe = ({ dice, asked }) => [sealed(asked.unit, rightReply(dice, asked))]

function anotherUnit(dice: Dice, unit: number): number {
  return 1 + ((unit - 1 + dice.between(1, 246)) % 247)
}

function garbage(dice: Dice, asked: Asked): Uint8Array {
  const noise = dice.bytes(dice.between(1, 24))
  // Noise that begins as the answer does.
  if (noise.length > 2 && dice.chance(0.5)) noise.set([asked.unit, asked.code], dice.below(noise.length - 1))
  return noise
}

function spoilt(dice: Dice, frame: Uint8Array): Uint8Array {
  const turned = frame.slice()
  for (let flips = dice.pick([1, 1, 1, 2, 2, 3, 5, 8]); flips > 0; flips--) {
    turned[dice.below(turned.length)]! ^= 1 << dice.below(8)
  }
  return turned
}

function cut(dice: Dice, frame: Uint8Array): Uint8Array {
  const kept = dice.between(1, frame.length - 1)
  return dice.chance(0.7) ? frame.slice(0, kept) : frame.slice(frame.length - kept)
}

function lost(dice: Dice, frame: Uint8Array): Uint8Array {
  const at = dice.below(frame.length)
  return dice.chance(0.5)
    ? Uint8Array.of(...frame.subarray(0, at), ...frame.subarray(at + 1))
    : Uint8Array.of(...frame.subarray(0, at), dice.below(256), ...frame.subarray(at))
}

function exceptionOf(dice: Dice, asked: Asked, unit = asked.unit): Uint8Array {
  return sealed(unit, Uint8Array.of(asked.code | 0x80, dice.chance(0.9) ? dice.between(1, 11) : dice.below(256)))
}

function question(asked: Asked): Uint8Array {
  return sealed(asked.unit, asked.pdu)
}

const RECIPES: Readonly<Record<string, Recipe>> = {
  'good reply': good,
  exception: ({ dice, asked }) => [exceptionOf(dice, asked)],
  'cut short': ({ dice, asked }) => [cut(dice, sealed(asked.unit, rightReply(dice, asked)))],
  'cut short, then good': (scene) => [cut(scene.dice, good(scene)[0]!), ...good(scene)],
  'bits turned': (scene) => [spoilt(scene.dice, good(scene)[0]!)],
  'bits turned, then good': (scene) => [spoilt(scene.dice, good(scene)[0]!), ...good(scene)],
  'byte lost or added': (scene) => [lost(scene.dice, good(scene)[0]!)],
  'two replies': (scene) => [...good(scene), ...good(scene)],
  'garbage before': (scene) => [garbage(scene.dice, scene.asked), ...good(scene)],
  'garbage after': (scene) => [...good(scene), garbage(scene.dice, scene.asked)],
  'another unit': ({ dice, asked }) => [sealed(anotherUnit(dice, asked.unit), rightReply(dice, asked))],
  'another unit, then good': (scene) => {
    const { dice, asked } = scene
    return [sealed(anotherUnit(dice, asked.unit), rightReply(dice, asked)), ...good(scene)]
  },
  "another unit's exception": ({ dice, asked }) => [exceptionOf(dice, asked, anotherUnit(dice, asked.unit))],
  'wrong function': ({ dice, asked }) => [sealed(asked.unit, wrongFunctionReply(dice, asked))],
  'wrong byte count': ({ dice, asked }) => [sealed(asked.unit, wrongCountReply(dice, asked))],
  'wrong byte count, then good': (scene) => [
    sealed(scene.asked.unit, wrongCountReply(scene.dice, scene.asked)),
    ...good(scene),
  ],
  'exception 0': ({ dice, asked }) => [
    sealed(asked.unit, Uint8Array.of(asked.code | 0x80, 0)),
    dice.bytes(dice.below(3)),
  ],
  'another write confirmed': ({ dice, asked }) => [sealed(asked.unit, otherWriteReply(dice, asked))],
  'late reply': ({ dice, before }) => [sealed(before.unit, rightReply(dice, before))],
  'late reply, then good': (scene) => [sealed(scene.before.unit, rightReply(scene.dice, scene.before)), ...good(scene)],
  'late exception, then good': (scene) => [exceptionOf(scene.dice, scene.before), ...good(scene)],
  echo: (scene) => [question(scene.asked)],
  'echo, then good': (scene) => [question(scene.asked), ...good(scene)],
  'glitch, echo, then good': (scene) => [garbage(scene.dice, scene.asked), question(scene.asked), ...good(scene)],
  'spoilt echo, then good': (scene) => [spoilt(scene.dice, question(scene.asked)), ...good(scene)],
  'echo cut short': (scene) => [cut(scene.dice, question(scene.asked))],
  'another master asks': (scene) => [
    question(randomQuestion(scene.dice, { units: [1, 247], reads: true })),
    ...(scene.dice.chance(0.5) ? good(scene) : []),
  ],
  'all mixed': (scene) => {
    const { dice } = scene
    return Array.from({ length: dice.between(2, 4) }, () => PARTS[dice.below(PARTS.length)]!(scene)).flat()
  },
}
const KINDS = Object.keys(RECIPES)
const PARTS = KINDS.filter((kind) => kind !== 'all mixed').map((kind) => RECIPES[kind]!)

/** Rarely: more noise than any buffer holds. */
const LONG_NOISE = 1 / 5000

export function randomLineStream(scene: Scene): LineStream {
  const { dice } = scene
  const kind = dice.pick(KINDS)
  const parts = RECIPES[kind]!(scene)
  const all = dice.chance(LONG_NOISE) ? [dice.bytes(dice.between(1000, 5000)), ...parts] : parts
  const bytes = Buffer.concat(all)
  return { kind, chunks: chunksOf(dice, bytes), frames: framesIn(kind, parts) }
}

function framesIn(kind: string, parts: readonly Uint8Array[]): number {
  return /garbage|glitch|exception 0/.test(kind) ? parts.length - 1 : parts.length
}

/** Bytes as a port hands them on: at once, in lumps, one by one. */
export function chunksOf(dice: Dice, bytes: Uint8Array): readonly Uint8Array[] {
  const way = dice.below(10)
  if (way < 4 || bytes.length === 0) return [bytes]
  const most = way < 9 ? dice.pick([8, 16, 64, 300]) : bytes.length < 400 ? 1 : 16
  const chunks: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + dice.between(1, most))
    chunks.push(bytes.subarray(at, end))
    at = end
  }
  return chunks
}
