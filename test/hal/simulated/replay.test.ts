import { expect, test } from 'vitest'
import { Replay, readConversation } from '../../../hal/simulated/replay.ts'
import { SimulatedWire } from '../../../hal/simulated/wire.ts'
import { ConfigurationFault } from '../../../src/contracts/errors.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'

const LINE = { baudRate: 9600, dataBits: 8, parity: 'none', stopBits: 1 } as const
const TEXT = `# two questions, the second answered twice
+0 > 01 03 # asked
+40 < aa bb

+1000 > 0104
+40 < cc
+60 < dd # late
`

test('a record is frames with pauses; comments, spaces and empty lines do not count', () => {
  const hex = readConversation(TEXT).map(({ question, said }) => [
    Buffer.from(question).toString('hex'),
    said.map(({ bytes, endsAfterMs }) => `${endsAfterMs} ${Buffer.from(bytes).toString('hex')}`),
  ])
  expect(hex).toEqual([
    ['0103', ['40 aabb']],
    ['0104', ['40 cc', '100 dd']],
  ])
})

test.each(['+5 = 01', '5 > 01', '+5 > 0', '+5 > xy'])('a line that is no frame is named: %s', (line) => {
  expect(() => readConversation(`# a\n${line}\n`)).toThrow(ConfigurationFault)
  expect(() => readConversation(`# a\n${line}\n`)).toThrow(/line 2 is no frame/)
})

test('what followed a question follows it again, at its time; another question is not answered', async () => {
  const clock = new ManualClock()
  const wire = new SimulatedWire({ clock })
  const replay = new Replay({ wire, text: TEXT })
  wire.attach(replay)
  const port = wire.port()
  await port.open(LINE)
  const heard: string[] = []
  port.onData((chunk, at) => heard.push(`${Math.round(at)} ${Buffer.from(chunk).toString('hex')}`))
  const ask = async (...bytes: number[]): Promise<void> => {
    void port.write(Uint8Array.from(bytes))
    await clock.advance(200)
  }
  await ask(1, 3)
  await ask(9, 9)
  await ask(1, 4)
  expect(heard).toEqual(['40 aabb', '440 cc', '500 dd'])
  expect(replay.surprises).toEqual([Uint8Array.of(9, 9)])
  expect(replay.left).toBe(0)
})
