/** The receiver's ledger, in a process of its own: what came from each device, by the device's own count.
 *  Usage: node ledger.ts BROKER_PORT. On SIGUSR2, and on SIGTERM as its last word, prints
 *  {received, missing, repeated} as JSON. */
import { connectAsync } from 'mqtt'

const broker = await connectAsync(`mqtt://127.0.0.1:${process.argv[2]}`, { protocolVersion: 5 })
const seen = new Map<string, { first: number; last: number; received: number; repeated: number }>()
const COUNT = /"t0":(\d+)/
broker.on('message', (topic, payload) => {
  // The first register stands near the front: the rest of the payload need not be parsed to keep the ledger.
  const count = Number(COUNT.exec(payload.toString('latin1', 0, 300))?.[1] ?? Number.NaN)
  if (Number.isNaN(count)) return
  const ledger = seen.get(topic)
  if (ledger === undefined) seen.set(topic, { first: count, last: count, received: 1, repeated: 0 })
  else if (count <= ledger.last) ledger.repeated++
  else {
    ledger.last = count
    ledger.received++
  }
})
await broker.subscribeAsync('/neuron/#', { qos: 1 })

function say(): void {
  let received = 0
  let missing = 0
  let repeated = 0
  for (const ledger of seen.values()) {
    received += ledger.received
    repeated += ledger.repeated
    missing += ledger.last - ledger.first + 1 - ledger.received
  }
  console.log(JSON.stringify({ received, missing, repeated }))
}
process.on('SIGUSR2', say)
process.on('SIGTERM', () => {
  say()
  process.exit(0)
})
console.log('ready')
