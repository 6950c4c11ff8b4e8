/** Who may write what. Pure. */

/** Patterns `device/group/tag` with `*`, by who asks: `sink:emqx`, `console`. Who is not named may nothing. */
export type Rules = ReadonlyMap<string, readonly string[]>

/** Whether a caller may write a tag. A console's people (`console:maria`) may what the console may. */
export function allows(rules: Rules, by: string, path: string): boolean {
  const patterns = rules.get(by) ?? (by.startsWith('console:') ? rules.get('console') : undefined)
  return patterns?.some((pattern) => matches(pattern, path)) ?? false
}

/** `*` stands for any name or part of one; a pattern that is shorter than the path covers everything below it. */
function matches(pattern: string, path: string): boolean {
  const names = path.split('/')
  const parts = pattern.split('/')
  return parts.length <= names.length && parts.every((part, at) => fits(part, names[at]!))
}

function fits(part: string, name: string): boolean {
  const expression = part.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')
  return new RegExp(`^${expression}$`, 's').test(name)
}
