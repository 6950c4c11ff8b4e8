/** Configurations and profiles as YAML that people read on: a line a tag, comments before and behind. */
import { Document, isMap, type Pair, visit } from 'yaml'

export interface Writing {
  readonly value: Readonly<Record<string, unknown>>
  /** Comments, line by line. */
  readonly head?: readonly string[]
  readonly tail?: readonly string[]
}

/** Maps below these keys stand on one line each. */
const ONE_LINE = new Set(['tags', 'connections'])

export function yamlText({ value, head = [], tail = [] }: Writing): string {
  const document = new Document(value)
  visit(document, {
    Pair(_, pair) {
      const { key, value: below } = pair as Pair<{ value?: unknown }, unknown>
      if (!ONE_LINE.has(String(key?.value)) || !isMap(below)) return undefined
      for (const item of below.items) if (isMap(item.value)) item.value.flow = true
      return undefined
    },
  })
  return `${commented(head)}${document.toString({ lineWidth: 0, flowCollectionPadding: true })}${commented(tail)}`
}

function commented(lines: readonly string[]): string {
  return (
    lines.map((line) => `# ${line.replace(/\s*[\r\n]+\s*/g, ' ')}`.trimEnd()).join('\n') +
    (lines.length > 0 ? '\n' : '')
  )
}
