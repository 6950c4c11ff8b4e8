/** A payload of one's own: a text with variables, in quotes or bare. Pure. */
import type { Batch } from '../../contracts/batch.ts'
import { type Bigint, tagList, valueParts } from './formats.ts'

const TEXTS = ['node', 'device', 'group', 'sink', 'gateway', 'enterprise', 'site', 'area', 'line'] as const
const FORMS = [
  'timestamp',
  'clock',
  'tags',
  'tag_values',
  'values',
  'tag_errors',
  'tag_error_values',
  'errors',
] as const
const VARIABLES: readonly string[] = [...FORMS, ...TEXTS]

/** What is wrong with a template as it was written; undefined: nothing. */
export function templateProblem(template: string): string | undefined {
  for (const [, name] of template.matchAll(/\$\{([^}]*)\}/g)) {
    if (!VARIABLES.includes(name!)) {
      return `there is no variable \${${name}}: expected one of ${VARIABLES.map((one) => `\${${one}}`).join(' ')}`
    }
  }
  return undefined
}

/** A variable that is all of a quoted text becomes its JSON form; within a longer text it becomes part of the text. One pass:
 *  what a value contains is never taken for a variable. */
export function fillTemplate(template: string, batch: Batch, sink: string, bigint: Bigint): string {
  const form = formsOf(batch, sink, bigint)
  return template.replace(/"\$\{([^}]*)\}"|\$\{([^}]*)\}/g, (_, whole?: string, part?: string) => {
    if (whole !== undefined) return form(whole)
    const text = form(part!)
    return text.startsWith('"') ? text.slice(1, -1) : text
  })
}

function formsOf(batch: Batch, sink: string, bigint: Bigint): (name: string) => string {
  const { group, at } = batch
  return (name) => {
    switch (name) {
      case 'timestamp':
        return String(at.wall)
      case 'clock':
        return JSON.stringify(at.clock)
      case 'tags':
        return `[${tagList(batch, bigint, 'good')}]`
      case 'tag_errors':
        return `[${tagList(batch, bigint, 'bad')}]`
      case 'tag_values':
      case 'values':
        return `{${valueParts(batch, bigint).values}}`
      case 'tag_error_values':
      case 'errors':
        return `{${valueParts(batch, bigint).errors}}`
      case 'node':
      case 'device':
        return JSON.stringify(group.device)
      case 'group':
        return JSON.stringify(group.group)
      case 'sink':
        return JSON.stringify(sink)
      default:
        return JSON.stringify(group.path[name as keyof typeof group.path] ?? '')
    }
  }
}
