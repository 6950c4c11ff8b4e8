/** The language on boxes with fewer than four lamps: a role without a lamp of its own is shown on SYS, or on the first lamp there
 *  is, as a code that begins with the role's number. Pure. */
import type { Light } from '../../contracts/report.ts'
import { rank, type StateId, stateOf } from './states.ts'

type Role = Light['role']

/** In the order of the lamps. */
export const ROLES: readonly Role[] = ['SYS', 'BUS', 'NET', 'HA']

/** A light for each lamp there is. */
export function fold(lights: readonly Light[], lamps: readonly Role[]): ReadonlyMap<Role, Light> {
  const shown = new Map<Role, Light>()
  const host = ROLES.find((role) => lamps.includes(role))
  for (const light of lights) if (lamps.includes(light.role)) shown.set(light.role, light)
  const homeless = lights.filter(({ id, role }) => !lamps.includes(role) && id !== 'ha.off')
  if (host === undefined || homeless.length === 0) return shown
  const own = shown.get(host)
  const worst = [...(own === undefined ? [] : [own]), ...homeless].reduce((chosen, each) =>
    urgency(each) < urgency(chosen) ? each : chosen,
  )
  shown.set(host, { ...(worst.role === host && !isAmbiguous(worst, homeless) ? worst : coded(worst)), role: host })
  return shown
}

/** By grade, and of what is fine first what still waits. */
function urgency(light: Light): number {
  const calm = light.pattern === 'gap' ? 0.5 : light.pattern === 'off' ? 0.9 : 0
  return rank(light) + calm
}

/** A code of the lamp's own would read as that of another role: it too begins with its number. */
function isAmbiguous({ pattern }: Light, homeless: readonly Light[]): boolean {
  return pattern === 'code' && homeless.length > 0
}

function coded(light: Light): Light {
  const { colour, pattern, role, code, id, text } = light
  if (colour === 'off' || pattern === 'gap') return light
  const number = ROLES.indexOf(role) + 1
  const further = code ?? [stateOf(id as StateId).folded ?? 0].filter((one) => one > 0)
  return { ...light, pattern: 'code', code: [number, ...further], text: `${role}: ${text}` }
}
