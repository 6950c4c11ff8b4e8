/** The board: a file of the shipped ones or one's own, with a hat on it, and what the gateway file says otherwise. */
import { basename, dirname, join } from 'node:path'
import type { BoardDescription, LedDescription, LedRole, LineAddress, PortDescription } from '../../hal/contract.ts'
import { rs485Contradictions } from '../contracts/rs485.ts'
import * as shapes from './board-shapes.ts'
import { sayTwiceUsed } from './board-uses.ts'
import { type Check, isMap, type Keys, supposed } from './check.ts'
import type { Kinds } from './kinds.ts'
import { families, fitting, listIn, namesIn } from './shelf.ts'
import { unknownName } from './spelling.ts'
import type { Texts } from './texts.ts'
import { parseTree } from './tree.ts'

interface Options {
  readonly check: Check
  readonly texts: Texts
  readonly env: NodeJS.ProcessEnv
  readonly boards: Kinds['boards']
  /** Something that is no mistake and should be known. */
  readonly notice: (text: string) => void
}

const PATH = ['board']
const ROLES: readonly LedRole[] = ['SYS', 'BUS', 'NET', 'HA']
const COLOURS = ['green', 'amber', 'red']
const GENERIC: BoardDescription = { name: 'generic', title: 'Linux box', models: [], ports: {}, leds: {} }
/** Keys that only a board file has. */
const OWN = ['title', 'models', 'boards'] as const
const CHOSEN = Object.keys(shapes.chosenShape.shape)
const BOARD = Object.keys(shapes.boardShape.shape)

export function readBoard(given: unknown, options: Options): BoardDescription {
  const { check } = options
  if (given === undefined || given === null) given = 'generic'
  if (typeof given !== 'string' && !isMap(given)) {
    check.places.say(
      PATH,
      'expected the name of a board, such as raspberry-pi, a board file, or { name, hat }',
      'value',
    )
    return GENERIC
  }
  const { name, hat, ...here } = typeof given === 'string' ? { name: given } : check.map(given, PATH, CHOSEN)
  if (typeof name !== 'string') {
    if (name == null) check.places.say(PATH, 'name is missing: name a board, such as raspberry-pi', 'key', 'name')
    else check.places.say([...PATH, 'name'], 'expected the name of a board, such as raspberry-pi', 'value')
    return GENERIC
  }
  const reader = new BoardReader(options)
  const board = reader.file(name, 'board', typeof given === 'string' ? PATH : [...PATH, 'name'], hat)
  const upper = typeof hat === 'string' ? reader.file(hat, 'hat', [...PATH, 'hat']) : undefined
  if (hat !== undefined && hat !== null && typeof hat !== 'string') {
    check.places.say([...PATH, 'hat'], 'expected the name of a hat, or a file', 'value')
  }
  if (board === undefined) return GENERIC
  const wanted = upper?.own.boards as readonly string[] | undefined
  if (wanted !== undefined && board.shipped && !wanted.includes(board.name)) {
    check.places.say([...PATH, 'hat'], `${String(hat)} is for ${wanted.join(', ')}, not for ${board.name}`, 'value')
  }
  const keys = laidOver(laidOver(board.keys, upper?.keys ?? {}), here)
  const title = String(board.own.title ?? board.name)
  return reader.description(keys, {
    name: upper === undefined ? board.name : `${board.name}+${upper.name}`,
    title: upper === undefined ? title : `${title} with ${String(upper.own.title ?? upper.name)}`,
    models: (board.own.models ?? []) as readonly string[],
  })
}

interface BoardFile {
  readonly name: string
  readonly shipped: boolean
  readonly keys: Keys
  readonly own: Keys
}

class BoardReader {
  readonly #options: Options

  constructor(options: Options) {
    this.#options = options
  }

  file(given: string, noun: 'board' | 'hat', path: readonly string[], hat?: unknown): BoardFile | undefined {
    const { check, texts, env, boards } = this.#options
    const isFile = given.includes('/') || /\.ya?ml$/.test(given)
    const shelf = boards?.shipped ?? '/nonexistent'
    const folder = noun === 'hat' ? join(shelf, 'hats') : shelf
    const name = isFile ? basename(given).replace(/\.ya?ml$/, '') : noun === 'board' ? this.#member(given, hat) : given
    const known = namesIn(folder)
    const shipped = `shipped ${noun === 'hat' ? 'hats' : 'boards'}/${name}.yaml`
    if (!isFile && !known.includes(name) && !texts.kept(shipped)) {
      if (name === GENERIC.name) return { name, shipped: true, keys: {}, own: { title: GENERIC.title } }
      const { text } = unknownName(noun, given, noun === 'board' ? [...known, 'auto', ...families(known)] : known)
      check.places.say(path, `${text}, or a file such as ./my-${noun}.yaml`, 'value')
      return undefined
    }
    const read = isFile ? texts.read(given) : texts.read(`${name}.yaml`, folder, shipped)
    if (!read.ok) {
      if (read.line > 0) check.places.at(read.file, { line: read.line, column: 1 }, [], read.why)
      else check.places.say(path, `there is no ${noun} "${given}": ${read.file} ${read.why}`, 'value')
      return undefined
    }
    const tree = parseTree(read.text, { folder: dirname(read.file), env })
    check.places.add({
      at: PATH,
      file: read.file,
      tree,
      locate: (below, what) => (tree.has(below) ? tree.position(tree.locate(below, what)) : undefined),
    })
    if (tree.value === undefined) return undefined
    if (tree.value !== null && !isMap(tree.value)) {
      check.places.at(read.file, { line: 1, column: 1 }, PATH, `expected the keys of a ${noun}, such as ports and leds`)
      return undefined
    }
    const keys = { ...check.map(tree.value, PATH, BOARD) }
    const own: Keys = {}
    for (const key of OWN) {
      if (Object.hasOwn(keys, key)) own[key] = keys[key]
      delete keys[key]
    }
    return { name, shipped: !isFile, keys, own: check.object(shapes.boardShape, own, PATH) ?? {} }
  }

  /** `auto` and the name of a family (`raspberry-pi`) are the board that the box says it is. Elsewhere, as where a file is only
   *  checked, a family is its latest member, so that what is written beside it can be held against something. */
  #member(name: string, hat: unknown): string {
    const { boards, notice } = this.#options
    if (boards === undefined) return name
    const all = namesIn(boards.shipped)
    const fits = (one: string): boolean => name === 'auto' || one.startsWith(`${name}-`)
    if (all.includes(name) || !all.some(fits)) return name
    const found = fitting(boards).find(fits)
    if (found !== undefined) return found
    const under = typeof hat === 'string' ? listIn(join(boards.shipped, 'hats', `${basename(hat)}.yaml`), 'boards') : []
    const supposed = (name === 'auto' ? under : all.filter(fits)).at(-1) ?? GENERIC.name
    const itself = boards.model ?? 'nothing at all'
    notice(`board: ${name} fits no board that is known: this box calls itself ${itself}; it is taken as ${supposed}`)
    return supposed
  }

  description(keys: Keys, names: Pick<BoardDescription, 'name' | 'title' | 'models'>): BoardDescription {
    const { check } = this.#options
    const { ports, leds, ...rest } = keys
    const parsed = check.object(shapes.boardShape.omit({ ports: true, leds: true }), rest, PATH)
    const chip = typeof keys.chip === 'string' ? keys.chip : undefined
    const line = (given: Keys | undefined, path: readonly string[]): LineAddress | undefined => {
      if (given === undefined) return undefined
      if (given.chip === undefined && chip === undefined) {
        check.places.say(path, 'chip is missing: name the GPIO chip of the line; fieldgate board lists them', 'key')
      }
      return { ...given, chip: given.chip ?? chip ?? '' } as LineAddress
    }
    const button = line(withMs(parsed?.button as Keys | undefined), [...PATH, 'button'])
    const watchdog = withMs(parsed?.watchdog as Keys | undefined) as BoardDescription['watchdog']
    const description = {
      ...names,
      ports: this.#ports(ports, line),
      leds: this.#leds(leds, line),
      ...(button === undefined ? {} : { button }),
      ...(watchdog === undefined ? {} : { watchdog }),
    }
    sayTwiceUsed(description, check.places)
    return description
  }

  #ports(given: unknown, line: LineOf): BoardDescription['ports'] {
    const { check } = this.#options
    const ports: Record<string, PortDescription> = {}
    for (const [name, keys] of check.named(given, [...PATH, 'ports'])) {
      const path = [...PATH, 'ports', name]
      const parsed = check.object(shapes.portShape, keys, path) ?? supposed(shapes.portShape, keys)
      if (parsed === undefined) continue
      const own = parsed.rs485 as Keys | undefined
      for (const [key, text] of rs485Contradictions(own ?? {})) check.places.say([...path, 'rs485', key], text, 'value')
      const rs485 = withMs(own)
      const enable = line(rs485?.enable as Keys | undefined, [...path, 'rs485', 'enable'])
      if (rs485?.mode === 'gpio' && enable === undefined) {
        check.places.say([...path, 'rs485'], 'enable is missing: name the line that enables the driver (DE)', 'key')
      }
      ports[name] = {
        ...parsed,
        ...(rs485 === undefined ? {} : { rs485: { ...rs485, ...(enable === undefined ? {} : { enable }) } }),
      } as unknown as PortDescription
    }
    return ports
  }

  #leds(given: unknown, line: LineOf): BoardDescription['leds'] {
    const { check } = this.#options
    const leds: Partial<Record<LedRole, LedDescription>> = {}
    for (const [role, keys] of Object.entries(check.map(given, [...PATH, 'leds'], ROLES))) {
      const path = [...PATH, 'leds', role]
      const lamp: Record<string, unknown> = {}
      for (const [colour, address] of Object.entries(check.map(keys, path, COLOURS))) {
        const at = [...path, colour]
        const parsed = check.object(shapes.lampShape, address, at)
        if (parsed === undefined) continue
        if ((parsed.led === undefined) === (parsed.gpio === undefined)) {
          check.places.say(at, 'expected either { led: NAME } or { gpio: { chip, line } }', 'value')
        } else if (parsed.led === undefined) lamp[colour] = { gpio: line(parsed.gpio as Keys, [...at, 'gpio']) }
        else lamp[colour] = { led: parsed.led }
      }
      if (Object.keys(lamp).length > 0) leds[role as LedRole] = lamp as LedDescription
    }
    return leds
  }
}

type LineOf = (given: Keys | undefined, path: readonly string[]) => LineAddress | undefined

/** Durations bear their unit in their names from here on. */
function withMs(keys: Keys | undefined): Keys | undefined {
  if (keys === undefined) return undefined
  const durations = ['debounce', 'timeout', 'delayBefore', 'delayAfter']
  return Object.fromEntries(
    Object.entries(keys).map(([key, value]) => [durations.includes(key) ? `${key}Ms` : key, value]),
  )
}

/** Maps key by key, the upper one winning; what names a lamp or a line is replaced whole. */
function laidOver(below: Keys, above: Keys): Keys {
  const whole: Keys = { ...below }
  for (const [key, value] of Object.entries(above)) {
    const under = whole[key]
    const isAddress = isMap(value) && ['led', 'gpio', 'line'].some((one) => Object.hasOwn(value, one))
    const lower = key === 'rs485' && isMap(under) && isMap(value) ? withoutContradictions(under, value) : under
    whole[key] = isMap(lower) && isMap(value) && !isAddress ? laidOver(lower, value) : value
  }
  return whole
}

/** Who names another mode does not mean what only the mode below can have. */
function withoutContradictions(below: Keys, { mode }: Keys): Keys {
  if (mode === undefined) return below
  const gone = rs485Contradictions({ ...below, mode }).map(([key]) => key)
  return Object.fromEntries(Object.entries(below).filter(([key]) => !gone.includes(key)))
}
