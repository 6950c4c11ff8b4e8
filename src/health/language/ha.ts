/** HA: the pair. */
import type { Light } from '../../contracts/report.ts'
import type { Facts } from './facts.ts'
import { light, type StateId } from './states.ts'

const ROLES = {
  active: 'ha.active',
  ready: 'ha.ready',
  alone: 'ha.alone',
  switching: 'ha.switching',
  fenced: 'ha.fenced',
} as const satisfies Record<NonNullable<Facts['pair']>['role'], StateId>

export function ha({ pair }: Facts): Light {
  if (pair === undefined) return light('ha.off')
  return light(ROLES[pair.role], pair.text === undefined ? {} : { says: pair.text })
}
