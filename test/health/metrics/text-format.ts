/** A strict reader of the text format, 0.0.4 and OpenMetrics 1.0: throws where a scraper might take offence.
 *  https://prometheus.io/docs/instrumenting/exposition_formats/ */

export interface Read {
  /** By name without the suffix of its samples in OpenMetrics. */
  readonly families: ReadonlyMap<string, { readonly type: string; readonly help: string }>
  readonly samples: readonly {
    readonly name: string
    readonly labels: Record<string, string>
    readonly value: number
  }[]
}

const NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/
const NUMBER = /^([+-]?Inf|NaN|[-+]?\d+(\.\d+)?(e[-+]?\d+)?)$/

export function readMetrics(text: string, format: 'text' | 'openmetrics'): Read {
  if (!text.endsWith('\n')) throw new Error('the last line does not end')
  const families = new Map<string, { type: string; help: string }>()
  const samples: Read['samples'][number][] = []
  const series = new Set<string>()
  const lines = text.slice(0, -1).split('\n')
  if (format === 'openmetrics' && lines.pop() !== '# EOF') throw new Error('# EOF is missing')
  let open: string | undefined
  let help: { name: string; text: string } | undefined
  for (const [at, line] of lines.entries()) {
    const fail = (why: string): never => {
      throw new Error(`line ${at + 1}: ${why}: ${line}`)
    }
    if (line === '' && format === 'text') continue
    const [, word, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? []
    if (word === 'HELP') {
      if (families.has(name)) fail('a family comes twice')
      help = { name, text: rest }
    } else if (word === 'TYPE') {
      if (!NAME.test(name) || help?.name !== name) fail('TYPE does not follow its HELP')
      if (!['counter', 'gauge'].includes(rest)) fail('no such type')
      if (families.has(name)) fail('a family comes twice')
      families.set(name, { type: rest, help: help!.text })
      open = name
    } else {
      const [, sample = '', , inside = '', number = ''] = /^([^{ ]+)(\{(.*)\})? (\S+)$/.exec(line) ?? fail('no sample')
      const { type } = families.get(open ?? '') ?? fail('a sample without a family')
      const expected = type === 'counter' && format === 'openmetrics' ? `${open}_total` : open
      if (sample !== expected) fail(`belongs to ${open}`)
      if (!NUMBER.test(number)) fail('no number')
      if (series.has(`${sample}{${inside}}`)) fail('a series comes twice')
      series.add(`${sample}{${inside}}`)
      const value = Number(number.replace('Inf', 'Infinity'))
      if (type === 'counter' && !(value >= 0)) fail('a counter below zero')
      samples.push({ name: sample, labels: labelsIn(inside, fail), value })
    }
  }
  return { families, samples }
}

function labelsIn(inside: string, fail: (why: string) => never): Record<string, string> {
  const labels: Record<string, string> = {}
  for (let rest = inside; rest !== ''; ) {
    const [whole = '', name = '', value = ''] =
      /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,|$)/.exec(rest) ?? []
    if (whole === '' || name in labels) fail('labels')
    labels[name] = value.replace(/\\(.)/g, (_, letter: string) => (letter === 'n' ? '\n' : letter))
    rest = rest.slice(whole.length)
  }
  return labels
}
