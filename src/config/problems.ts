/** What is wrong with a configuration: each problem with its place, what was expected, and the nearest valid spelling. */

export interface Problem {
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly column: number
  /** `devices.oven.groups.fast.every`. */
  readonly path: string
  readonly text: string
}

/** A line for each, in the order given: `file:line:column: path: text`. */
export function formatProblems(problems: readonly Problem[]): string {
  return problems
    .map(({ file, line, column, path, text }) => `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${text}`)
    .join('\n')
}

/** As one reads them: `own`, the file that was checked, comes first, then what it names, wherever that is installed. */
export function sorted(problems: readonly Problem[], own: string): readonly Problem[] {
  const foreign = ({ file }: Problem) => Number(file !== own)
  return [...problems].sort(
    (a, b) => foreign(a) - foreign(b) || a.file.localeCompare(b.file) || a.line - b.line || a.column - b.column,
  )
}
