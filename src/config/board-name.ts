/** The name of the board as a configuration file has it, read past whatever else is wrong with the file. */
import { readText } from './texts.ts'

/** undefined: the file cannot be read, or names none. */
export function boardNameOf(file: string): string | undefined {
  const read = readText(file)
  if (!read.ok) return undefined
  return /^board[ \t]*:[ \t]*(["']?)([\w./-]+)\1[ \t]*(#.*)?$/m.exec(read.text)?.[2]
}
