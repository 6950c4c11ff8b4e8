/** Follows, inside the box, which position of the log is durable: each one is told to the outside as soon as the service says
 *  so. What was told before the power went must arrive. */
import type { Guest } from './guest.ts'

const FOLLOWER = `
const net = require('net')
let last = ''
const look = () => {
  const socket = net.connect('/run/fieldgate/field/inspect.sock')
  let rest = ''
  const ask = () => socket.write(JSON.stringify({ id: 1, method: 'status' }) + '\\n')
  socket.on('connect', ask)
  socket.on('error', () => {})
  socket.on('close', () => setTimeout(look, 200))
  socket.on('data', (chunk) => {
    rest += chunk
    const at = rest.indexOf('\\n')
    if (at < 0) return
    const { result } = JSON.parse(rest.slice(0, at))
    rest = rest.slice(at + 1)
    if (result && result.log) {
      const text = String(result.log.head.seq)
      if (text !== last) process.stdout.write('<head ' + (last = text) + '>\\n')
    }
    setTimeout(ask, 100)
  })
}
look()
`

/** Starts it; its words come over the console of the box, which nobody else writes numbers of this kind to. */
export async function followHeads(guest: Guest, node: string): Promise<void> {
  const text = Buffer.from(FOLLOWER).toString('base64')
  await guest.do(`mkdir -p /run/harness && echo ${text} | base64 -d > /run/harness/heads.cjs`)
  await guest.do(`(setsid ${node} /run/harness/heads.cjs > /dev/ttyAMA0 2>&1 < /dev/null &)`)
}

/** The number of the last entry that was told to be durable. */
export function lastHead(guest: Guest): number | undefined {
  const found = [...guest.console.matchAll(/<head (\d+)>/g)].at(-1)
  return found === undefined ? undefined : Number(found[1])
}
