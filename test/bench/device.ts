/** A Modbus TCP device for benches, in a process of its own: any unit, FC03, every register changes with every request.
 *  Register 0 of a request at address 0 counts the reads of that unit, so that a receiver can see what is missing.
 *  Usage: node device.ts PORT */
import { createServer } from 'node:net'

const counts = new Uint16Array(256)

createServer((socket) => {
  let rest = Buffer.alloc(0)
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    const input = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const answers: Buffer[] = []
    let at = 0
    for (; at + 12 <= input.length; at += 12) {
      const unit = input[at + 6]!
      const address = input.readUInt16BE(at + 8)
      const quantity = input.readUInt16BE(at + 10)
      const count = address === 0 ? ++counts[unit]! : counts[unit]!
      const answer = Buffer.allocUnsafe(9 + 2 * quantity)
      input.copy(answer, 0, at, at + 4)
      answer.writeUInt16BE(3 + 2 * quantity, 4)
      answer[6] = unit
      answer[7] = 3
      answer[8] = 2 * quantity
      for (let register = 0; register < quantity; register++) {
        answer.writeUInt16BE((count + register) & 0xffff, 9 + 2 * register)
      }
      answers.push(answer)
    }
    rest = Buffer.from(input.subarray(at))
    if (answers.length > 0) socket.write(answers.length === 1 ? answers[0]! : Buffer.concat(answers))
  })
}).listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'))
