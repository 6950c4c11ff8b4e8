/** The reference of `footprint`: the same job as the gateway's, bare. Poll, one lmdb put a batch, one publish at QoS 1.
 *  Usage: node bare-loop.ts DEVICE_PORT BROKER_PORT CONNECTIONS DEVICES TAGS FOLDER */
import { connect } from 'node:net'
import { open } from 'lmdb'
import { connectAsync } from 'mqtt'

const [devicePort, brokerPort, connections, devices, tags] = process.argv.slice(2, 7).map(Number) as [
  number,
  number,
  number,
  number,
  number,
]
const store = open({ path: process.argv[7]!, encoding: 'binary', overlappingSync: false, commitDelay: 200 } as never)
const broker = await connectAsync(`mqtt://127.0.0.1:${brokerPort}`, { protocolVersion: 5 })
const names = Array.from({ length: tags }, (_, tag) => `t${tag}`)
let sequence = 0

function line(): (unit: number, address: number, quantity: number) => Promise<Buffer> {
  const socket = connect(devicePort, '127.0.0.1').setNoDelay(true)
  let resolve: (answer: Buffer) => void
  let rest = Buffer.alloc(0)
  let wanted = 0
  let transaction = 0
  socket.on('data', (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    if (rest.length < wanted) return
    const answer = rest
    rest = Buffer.alloc(0)
    resolve(answer)
  })
  const request = Buffer.alloc(12)
  return (unit, address, quantity) => {
    request.writeUInt16BE(++transaction & 0xffff, 0)
    request.writeUInt16BE(6, 4)
    request[6] = unit
    request[7] = 3
    request.writeUInt16BE(address, 8)
    request.writeUInt16BE(quantity, 10)
    wanted = 9 + 2 * quantity
    return new Promise((done) => {
      resolve = done
      socket.write(Buffer.from(request))
    })
  }
}

for (let connection = 0; connection < connections; connection++) {
  const ask = line()
  const units = Array.from({ length: devices }, (_, device) => device).filter(
    (device) => device % connections === connection,
  )
  const cycle = async (): Promise<void> => {
    for (const unit of units) {
      const columns = new Float64Array(tags)
      for (let address = 0; address < tags; address += 125) {
        const quantity = Math.min(125, tags - address)
        const answer = await ask(unit + 1, address, quantity)
        for (let register = 0; register < quantity; register++) {
          columns[address + register] = answer.readUInt16BE(9 + 2 * register)
        }
      }
      store.put(++sequence, Buffer.from(columns.buffer))
      const values: Record<string, number> = {}
      for (let tag = 0; tag < tags; tag++) values[names[tag]!] = columns[tag]!
      const payload = JSON.stringify({
        timestamp: Date.now(),
        node: `d${unit}`,
        group: 'g',
        values,
        errors: {},
        metas: {},
      })
      broker.publish(`/neuron/bench/d${unit}/g`, payload, { qos: 1 })
    }
  }
  setInterval(cycle, 1000)
}
console.log('ready')
