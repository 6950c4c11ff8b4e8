/** Under which names this box may be asked. A page of somebody else's site can have its own name point here (DNS rebinding), and
 *  then reads what we answer; a number cannot be made to point elsewhere. */
import { isIP } from 'node:net'

/** `host` as the header has it: RFC 9110, 7.2. `own`: the box's own names. */
export function isOurName(host: string | undefined, own: readonly string[]): boolean {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::\d{1,5})?$/.exec(host ?? '') ?? []
  if (bracketed !== undefined) return isIP(bracketed) === 6
  if (plain === undefined) return false
  if (isIP(plain) === 4) return true
  const name = plain.toLowerCase().replace(/\.$/, '')
  const ours = own.filter((one) => one !== '').flatMap((one) => [one.toLowerCase(), `${one.toLowerCase()}.local`])
  return name === 'localhost' || ours.includes(name)
}
