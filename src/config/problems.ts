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

/** `file:line:column: text`, in the order of the file. */
export function formatProblems(problems: readonly Problem[]): string {
  return sorted(problems)
    .map(({ file, line, column, path, text }) => `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${text}`)
    .join('\n')
}

export function sorted(problems: readonly Problem[]): readonly Problem[] {
  return [...problems].sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line || a.column - b.column)
}
