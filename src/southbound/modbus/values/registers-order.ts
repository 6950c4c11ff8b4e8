/** Byte orders: the letters of what stands on the wire, first byte first, A the most significant. */

const ALPHABET = 'ABCDEFGH'

/** The four that mean something at every width: whole words swapped, bytes within words swapped. */
const named: Readonly<Record<string, { readonly words: boolean; readonly bytes: boolean }>> = {
  ABCD: { words: false, bytes: false },
  CDAB: { words: true, bytes: false },
  BADC: { words: false, bytes: true },
  DCBA: { words: true, bytes: true },
}

/** Other products' names, so that the answer to one of them can name ours. */
const foreign: Readonly<Record<string, string>> = {
  '#LL': 'ABCD',
  '#LB': 'BADC',
  '#BL': 'CDAB',
  '#BB': 'DCBA',
  '#L': 'AB',
  '#B': 'BA',
  '#WS': 'CDABGHEF',
  '#WR': 'EFGHABCD',
  BIG: 'ABCD',
  LITTLE: 'DCBA',
  'BIG-ENDIAN': 'ABCD',
  'LITTLE-ENDIAN': 'DCBA',
  BIGENDIAN: 'ABCD',
  LITTLEENDIAN: 'DCBA',
  'WORD-SWAP': 'CDAB',
  'BYTE-SWAP': 'BADC',
}

/** What is wrong with an order as written; null: it is one. */
export function orderProblem(text: string): string | null {
  const letters = text.toUpperCase()
  if ([2, 4, 6, 8].includes(letters.length) && [...letters].sort().join('') === ALPHABET.slice(0, letters.length))
    return null
  const ours = foreign[letters]
  if (ours !== undefined) return `"${text}" is written ${ours} here`
  return `"${text}" is no byte order: expected ABCD, CDAB, BADC, DCBA, or each of the first two, four, six or eight letters once`
}

/** For each byte of a value, the most significant first, its place on the wire; null: the letters do not fit the width. */
export function permutationOf(order: string, width: number): readonly number[] | null {
  const letters = order.toUpperCase()
  const swaps = named[letters]
  if (swaps !== undefined) return Array.from({ length: width }, (_, index) => placeOf(index, width, swaps))
  if (letters.length !== width) return null
  return Array.from({ length: width }, (_, index) => letters.indexOf(ALPHABET[index]!))
}

function placeOf(index: number, width: number, swaps: { readonly words: boolean; readonly bytes: boolean }): number {
  const word = swaps.words ? width / 2 - 1 - (index >> 1) : index >> 1
  return word * 2 + ((index & 1) ^ (swaps.bytes ? 1 : 0))
}

/** Whether an order turns the two bytes of each register round, for values whose words are placed by other means. */
export function swapsBytes(order: string): boolean | null {
  const letters = order.toUpperCase()
  if (letters === 'AB' || letters === 'BA') return letters === 'BA'
  return named[letters]?.bytes ?? null
}
