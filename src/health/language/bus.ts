/** BUS: the devices, and the connections that lead to them. */
import type { Light } from '../../contracts/report.ts'
import type { Facts } from './facts.ts'
import { light, worst } from './states.ts'

/** Names in a sentence; the others are counted. */
const NAMED = 3
/** Nobody counts more blinks. */
const LAST_NUMBER = 9

interface Census {
  asked: number
  silent: number
}

export function bus({ connections, devices }: Facts): Light {
  const away: string[] = []
  let silent = 0
  let silence = ''
  const perConnection = new Map<string, Census>()
  let asked = 0
  let unknown = 0
  let refusing: string | undefined
  for (const device of devices) {
    if (!device.enabled || device.groups === 0) continue
    asked++
    let census = perConnection.get(device.connection)
    if (census === undefined) {
      census = { asked: 0, silent: 0 }
      perConnection.set(device.connection, census)
    }
    census.asked++
    const { answers } = device
    if (answers === false) {
      census.silent++
      if (silent++ === 0) silence = device.text
      if (away.length < NAMED) away.push(device.name)
    } else if (answers === null) unknown++
    if (device.trouble !== undefined) refusing ??= `${device.name} ${device.trouble}`
  }
  if (asked === 0) return light('bus.idle')

  const missing: Light[] = []
  const unreached: Light[] = []
  const nobody: Light[] = []
  for (const [at, { name, state }] of connections.entries()) {
    const census = perConnection.get(name)
    if (census === undefined) continue
    const connection = Math.min(at + 1, LAST_NUMBER)
    const says = `${name}: ${state.text}`
    if (state.cause === 'port') missing.push(light('bus.port', { says }))
    else if (state.condition === 'refused') missing.push(light('bus.refused', { says }))
    else if (state.condition === 'fault') unreached.push(light('bus.not-reached', { says, connection }))
    else if (census.silent === census.asked) {
      nobody.push(light('bus.nobody', { says: `nobody answers on ${name}`, connection }))
    }
  }
  const found = [...missing, ...unreached, ...nobody]
  if (silent > 0) found.push(light('bus.some-silent', { says: absent(away, silent, silence) }))
  if (refusing !== undefined) found.push(light('bus.trouble', { says: refusing }))
  for (const { name, state } of connections) {
    if (state.condition === 'degraded') found.push(light('bus.degraded', { says: `${name}: ${state.text}`, todo: '' }))
  }
  if (unknown > 0) found.push(light('bus.asking', { says: `waiting for the first answer of ${unknown} devices` }))
  found.push(light('bus.fine', { says: asked === 1 ? 'the device answers' : `all ${asked} devices answer` }))
  return worst(found)
}

function absent(names: readonly string[], silent: number, why: string): string {
  const more = silent > names.length ? ` and ${silent - names.length} more` : ''
  return `${names.join(', ')}${more} ${silent === 1 ? 'does' : 'do'} not answer (${why})`
}
