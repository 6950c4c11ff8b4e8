/** `status`: everything the gateway says of itself, as long as it takes, on a terminal or in a file. */
import type { Budget } from '../../contracts/budget.ts'
import type { DeviceReport, GatewayReport, Light } from '../../contracts/report.ts'
import { budgetLines } from './budget.ts'
import { spoken } from './lights.ts'
import {
  connectionLines,
  deviceLines,
  halfLines,
  headline,
  healthLines,
  logLines,
  machineLines,
  sinkLines,
  stateText,
} from './sections.ts'
import { ascii, cut, harmless, type Ink, ink, pad, type Style, wrap } from './text.ts'
import { percent } from './words.ts'

/** Lines joined by line ends, none wider than `columns`. LEDs stand in words: on paper nothing blinks. */
export function renderStatus(report: GatewayReport, options: { columns: number; style: Style }): string {
  const { columns, style } = options
  const lines = [ink(cut(headline(report), columns), 'bold', style)]
  for (const notice of report.notices)
    lines.push(...wrap(`Note: ${harmless(notice)}`, columns, '      ').map((line) => ink(line, 'amber', style)))
  lines.push(...halfLines(report.halves ?? [], columns, style), '')
  lines.push(...lightLines(report.lights, columns, style))
  const { connections, devices, sinks } = report
  lines.push(
    ...whole(
      connectionLines(connections, columns, style),
      connections.map(({ state }) => stateText(state)),
      columns,
    ),
    ...connections.flatMap(({ name, budget }) => planned(name, budget, columns)),
    ...whole(
      deviceLines(devices, columns, style),
      devices.map(({ text }) => harmless(text)),
      columns,
    ),
    ...devices.flatMap((device) => learnt(device, columns)),
    ...whole(
      sinkLines(sinks, report.at, columns, style),
      sinks.map(({ state }) => stateText(state)),
      columns,
    ),
  )
  if (report.log !== null) lines.push('', ...logLines(report.log, columns, style))
  if (report.machine !== undefined) lines.push('', ...machineLines(report.machine, columns))
  const health = healthLines(report.processes ?? [], columns, style)
  if (health.length > 0) lines.push('', ...health)
  return lines
    .map((line) => (style.unicode ? line : ascii(line)))
    .map((line) => cut(line, columns))
    .join('\n')
}

/** A light each: how it looks in words, and its sentence whole. */
export function lightLines(lights: readonly Light[], columns: number, style: Style): string[] {
  return lights.flatMap((light) => {
    const colour: Ink = light.colour === 'off' ? 'dim' : light.colour
    const name = `${pad(light.role, 3)}  ${pad(spoken(light), 19)} `
    const indent = ' '.repeat(name.length)
    const also = (light.also ?? []).flatMap((text) =>
      wrap(`also: ${harmless(text)}`, columns - name.length, '').map((line) => indent + line),
    )
    const lines = [...wrap(name + harmless(light.text), columns, indent), ...also]
    return lines.map((line, at) =>
      at === 0 ? ink(line.slice(0, name.length), colour, style) + line.slice(name.length) : line,
    )
  })
}

/** What a connection is planned to do, where that is known. */
function planned(name: string, budget: Budget | undefined, columns: number): string[] {
  if (budget === undefined || budget.groups.length === 0) return []
  const [first = '', ...rest] = budgetLines(name, budget)
  const head = first.startsWith(`${harmless(name)}:`)
    ? [first, ...rest]
    : [[`${harmless(name)}: ${percent(budget.load)} planned`, first, ...rest].join('; ').replaceAll('; (', ' (')]
  return head.flatMap((line) => wrap(line, columns - 4, '').map((each) => `    ${each}`))
}

/** What was learnt of a device by asking it. */
function learnt({ name, knowledge }: DeviceReport, columns: number): string[] {
  if (knowledge === undefined) return []
  const text = `${harmless(name)} ${knowledge.sentences.map(harmless).join(', ')}`
  return wrap(text, columns - 4, '').map((each) => `    ${each}`)
}

/** A table with every sentence whole: where its column cut one, it follows below. Nothing for an empty table. */
function whole(lines: readonly string[], sentences: readonly string[], columns: number): string[] {
  if (lines.length <= 1) return []
  const full = lines.flatMap((line, at) => {
    const sentence = sentences[at - 1]
    if (sentence === undefined || line.includes(sentence)) return [line]
    return [line, ...wrap(sentence, columns - 4, '').map((each) => `    ${each}`)]
  })
  return ['', ...full]
}
