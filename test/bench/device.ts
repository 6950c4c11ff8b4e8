/** A Modbus TCP device for benches, in a process of its own: any unit, FC03, every register changes with every request.
 *  Register 0 of a request at address 0 counts the reads of that unit, so that a receiver can see what is missing. It listens
 *  on 127.0.0.1 and as many addresses behind it as there are HOSTS: the units of each are its own.
 *  Usage: node device.ts PORT [HOSTS [EVERY_MS]]. On SIGUSR2 prints its ledger of reads at address 0 as JSON: how many units
 *  were read how often; and since it was last asked, how many reads came more than half an interval late, and the latest. */
import { createServer } from 'node:net'

const [port, hosts = 1, everyMs = 1000] = process.argv.slice(2).map(Number)
const UNITS = 256
const counts = new Uint16Array(hosts! * UNITS)
const readAt = new Float64Array(hosts! * UNITS)
let [units, reads, missed, latestMs] = [0, 0, 0, 0]

function note(unit: number): void {
  const now = performance.now()
  const last = readAt[unit]!
  readAt[unit] = now
  reads++
  if (last === 0) units++
  else {
    const lateMs = now - last - everyMs!
    if (lateMs > everyMs! / 2) missed += Math.round(lateMs / everyMs!)
    if (lateMs > latestMs) latestMs = lateMs
  }
  counts[unit]!++
}

for (let host = 0; host < hosts!; host++) {
  createServer((socket) => {
    let rest = Buffer.alloc(0)
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk) => {
      const input = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      const answers: Buffer[] = []
      let at = 0
      for (; at + 12 <= input.length; at += 12) {
        const unit = host * UNITS + input[at + 6]!
        const address = input.readUInt16BE(at + 8)
        const quantity = input.readUInt16BE(at + 10)
        if (address === 0) note(unit)
        const count = counts[unit]!
        const answer = Buffer.allocUnsafe(9 + 2 * quantity)
        input.copy(answer, 0, at, at + 4)
        answer.writeUInt16BE(3 + 2 * quantity, 4)
        answer[6] = input[at + 6]!
        answer[7] = 3
        answer[8] = 2 * quantity
        for (let register = 0, to = 9; register < quantity; register++) {
          const value = count + register
          answer[to++] = value >> 8
          answer[to++] = value
        }
        answers.push(answer)
      }
      rest = Buffer.from(input.subarray(at))
      if (answers.length > 0) socket.write(answers.length === 1 ? answers[0]! : Buffer.concat(answers))
    })
  }).listen(port, `127.0.0.${host + 1}`, () => {
    if (host === hosts! - 1) console.log('ready')
  })
}

process.on('SIGUSR2', () => {
  console.log(JSON.stringify({ units, reads, missed, latestMs }))
  missed = 0
  latestMs = 0
})
