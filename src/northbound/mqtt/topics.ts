/** Topics with variables: which there are, and what they become. Pure. */
import type { GroupRef, Isa95Path } from '../../contracts/batch.ts'

const VARIABLES = ['sink', 'gateway', 'enterprise', 'site', 'area', 'line', 'device', 'group', 'tag'] as const
type Variable = (typeof VARIABLES)[number]

/** Whether a topic that somebody else chose can be published to (MQTT 5, 4.7). */
export function isPublishable(topic: string): boolean {
  return topic !== '' && !/[+#\0]/.test(topic) && Buffer.byteLength(topic) <= 65_535
}

/** What is wrong with a topic as it was written; undefined: nothing. */
export function topicProblem(topic: string): string | undefined {
  if (topic === '') return 'expected a topic'
  if (/[+#\0]/.test(topic)) return 'a topic to publish to has no "+" and no "#"'
  if (Buffer.byteLength(topic) > 65_535) return 'a topic has at most 65535 bytes'
  for (const [, name] of topic.matchAll(/\{([^}]*)\}/g)) {
    if (!VARIABLES.includes(name as Variable)) {
      return `there is no variable {${name}}: expected one of ${VARIABLES.map((one) => `{${one}}`).join(' ')}`
    }
  }
  return undefined
}

/** The topic with its variables put in. A level that is not configured takes its segment with it. */
export function fill(topic: string, values: Readonly<Partial<Record<Variable, string>>>): string {
  const segments = topic.split('/').flatMap((segment) => {
    let missing = false
    const filled = segment.replace(/\{([^}]*)\}/g, (_, name: Variable) => {
      const value = values[name]
      if (value === undefined || value === '') missing = true
      return level(value ?? '')
    })
    return missing && /^\{[^}]*\}$/.test(segment) ? [] : [filled]
  })
  return segments.join('/')
}

/** What belongs to the gateway as a whole. */
export function gatewayVariables(sink: string, path: Isa95Path): Partial<Record<Variable, string>> {
  return { sink, ...path }
}

export function groupVariables(sink: string, group: GroupRef): Partial<Record<Variable, string>> {
  return { ...gatewayVariables(sink, group.path), device: group.device, group: group.group }
}

/** A name as one level of a topic: separators and wildcards are replaced. */
function level(name: string): string {
  return name.replace(/[/+#\0]/g, '_')
}
