/** A Modbus TCP device whose first register is a sequence number that the device itself counts: each read of unit N gets the
 *  next one, high word first in registers 0 and 1. Input registers are text that fits no shorter form. Its own ledger of what it handed out, and when, is the truth in
 *  loss tests. Usage: node counting-device.ts PORT LEDGER. Each number is in the ledger before it is on the wire:
 *  `UNIT NUMBER UTC-MS`. */
import { randomBytes } from 'node:crypto'
import { openSync, writeSync } from 'node:fs'
import { createServer } from 'node:net'

const ledger = openSync(process.argv[3]!, 'a')
const counts = new Uint32Array(256)

createServer((socket) => {
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', (request) => {
    const [unit, code] = [request[6]!, request[7]!]
    if (request.length !== 12 || (code !== 3 && code !== 4)) return socket.destroy()
    const quantity = request.readUInt16BE(10)
    const answer = Buffer.alloc(9 + 2 * quantity)
    request.copy(answer, 0, 0, 4)
    answer.writeUInt16BE(3 + 2 * quantity, 4)
    answer[6] = unit
    answer[7] = code
    answer[8] = 2 * quantity
    if (code === 4) answer.write(randomBytes(2 * quantity).toString('base64'), 9, 'latin1')
    else {
      const count = ++counts[unit]!
      writeSync(ledger, `${unit} ${count} ${Date.now()}\n`)
      answer.writeUInt32BE(count, 9)
    }
    socket.write(answer)
  })
}).listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'))
