/** Text as a terminal shows it: how wide it is, how it is cut and padded, and what must never reach a terminal. */

/** What the terminal on the other end can show. */
export interface Style {
  readonly colour: boolean
  readonly unicode: boolean
}

export type Ink = 'green' | 'amber' | 'red' | 'dim' | 'bold'

const CODES: Readonly<Record<Ink, string>> = { green: '32', amber: '33', red: '31', dim: '2', bold: '1' }
const SEQUENCE = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g')

export function ink(text: string, colour: Ink, style: Style): string {
  return style.colour && text !== '' ? `\x1b[${CODES[colour]}m${text}\x1b[0m` : text
}

/** Names, units and strings come from devices and files: control characters would move the cursor or worse. */
export function harmless(text: string): string {
  let clean = ''
  for (const character of text) {
    const code = character.codePointAt(0)!
    const control = code < 0x20 || (code >= 0x7f && code < 0xa0) || code === 0x2028 || code === 0x2029
    const bidirectional = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069)
    clean += control || bidirectional ? '\ufffd' : character
  }
  return clean
}

/** For terminals without UTF-8: what has an ASCII spelling gets it, the rest becomes `?`. */
export function ascii(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences stay, all else above ASCII goes.
  return text.replace(/[^\x00-\x7f]/gu, (character) => ASCII[character] ?? '?')
}

const ASCII: Readonly<Record<string, string>> = {
  '°': 'o',
  '…': '~',
  '–': '-',
  '—': '-',
  '─': '-',
  '│': '|',
  '█': '#',
  '░': '.',
  '●': '*',
  '○': 'o',
  '·': '.',
  '▇': '#',
  '▁': '_',
  '→': '>',
  '×': 'x',
  '’': "'",
  '‘': "'",
  '“': '"',
  '”': '"',
  µ: 'u',
  '\u00a0': ' ',
  '≥': '>=',
  '≤': '<=',
  '✓': '+',
  '✗': '!',
  '²': '2',
  '³': '3',
}

/** Columns that the text takes: colours none, East Asian wide characters two, combining marks none. */
export function width(text: string): number {
  let columns = 0
  for (const character of text.replace(SEQUENCE, '')) columns += widthOf(character.codePointAt(0)!)
  return columns
}

/** Not longer than `columns`; what is cut ends in an ellipsis. Colours that were open are closed. */
export function cut(text: string, columns: number): string {
  if (width(text) <= columns) return text
  let kept = ''
  let used = 0
  let coloured = false
  for (const piece of text.split(SPLIT)) {
    if (piece.startsWith('\x1b')) {
      kept += piece
      coloured = piece !== '\x1b[0m'
      continue
    }
    for (const character of piece) {
      const wide = widthOf(character.codePointAt(0)!)
      if (used + wide > columns - 1) return `${kept}${columns > 0 ? '…' : ''}${coloured ? '\x1b[0m' : ''}`
      kept += character
      used += wide
    }
  }
  return kept
}

const SPLIT = new RegExp(`(${String.fromCharCode(27)}\\[[0-9;]*m)`)

export function pad(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - width(text)))
}

export function padStart(text: string, columns: number): string {
  return ' '.repeat(Math.max(0, columns - width(text))) + text
}

/** Exactly `columns` wide. */
export function fixed(text: string, columns: number): string {
  return pad(cut(text, columns), columns)
}

/** At spaces, into lines of at most `columns`; lines after the first are indented. */
export function wrap(text: string, columns: number, indent = '     '): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.trim() !== '' && width(line) + 1 + width(word) > columns) {
      lines.push(line.trimEnd())
      line = indent + word
    } else line = line === '' && lines.length === 0 ? word : `${line} ${word}`
  }
  lines.push(line)
  return lines
}

function widthOf(code: number): number {
  if ((code >= 0x300 && code <= 0x36f) || code === 0x200b || code === 0x200d || (code >= 0xfe00 && code <= 0xfe0f))
    return 0
  const wide =
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x1f300 && code <= 0x1faff) ||
    (code >= 0x20000 && code <= 0x3fffd)
  return wide ? 2 : 1
}
