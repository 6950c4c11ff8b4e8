/** The LED language: what the four lights show for the state the gateway and its box are in, and the sentence that goes with it:
 *  what, why, what to do. Pure. Of several causes the worst is shown (NAMUR NE 107): failure, check, out of specification,
 *  maintenance, fine. */
import type { Light } from '../contracts/report.ts'
import { bus } from './language/bus.ts'
import type { Facts } from './language/facts.ts'
import { ha } from './language/ha.ts'
import { net } from './language/net.ts'
import { sys } from './language/sys.ts'

export type { Facts } from './language/facts.ts'

export function lights(facts: Facts): readonly Light[] {
  return [sys(facts), bus(facts), net(facts), ha(facts)]
}
