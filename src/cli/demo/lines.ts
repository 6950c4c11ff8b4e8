/** The demo where there is no terminal: one line now and then. */
import { spoken } from '../../console/terminal/lights.ts'
import { count, percent } from '../../console/terminal/words.ts'
import type { GatewayReport } from '../../contracts/report.ts'

/** Stored and delivered, who answers, how busy the wires are, and the lights that are not fine. */
export function statusLine(report: GatewayReport, elapsedMs: number): string {
  const sum = (of: 'stored' | 'filtered' | 'delivered' | 'pending'): number =>
    report.sinks.reduce((total, { receipt }) => total + (receipt?.[of] ?? 0), 0)
  const devices = report.devices.filter(({ enabled }) => enabled)
  const loads = report.connections.map(({ name, load }) => `${name} ${percent(load)}`)
  const lights = report.lights
    .filter(({ colour, pattern }) => colour !== 'off' && pattern !== 'gap')
    .map((light) => `${light.role} ${spoken(light)}: ${light.text}`)
  return [
    stamp(elapsedMs),
    `stored ${count(sum('stored') - sum('filtered'))}`,
    `delivered ${count(sum('delivered'))}`,
    `waiting ${count(sum('pending'))}`,
    `${devices.filter(({ answers }) => answers === true).length} of ${devices.length} devices answer`,
    `load ${loads.join(', ')}`,
    ...lights,
  ].join('  ')
}

export function stamp(elapsedMs: number): string {
  return `${(elapsedMs / 1000).toFixed(1).padStart(6)} s`
}
