import { afterEach, describe, expect, test } from 'vitest'
import { BatchBuilder, Reason } from '../../../src/contracts/batch.ts'
import type { Clock } from '../../../src/contracts/clock.ts'
import { Rejected, type Retryable } from '../../../src/contracts/errors.ts'
import type { ModbusDriver } from '../../../src/southbound/modbus/driver.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'
import { groupOf, tcp } from './configured.ts'
import { ALWAYS, driverOf, named, readGroup, registers } from './rig.ts'
import { adu, goodAnswer, type Question, registersOf, SlaveSocket } from './slave-socket.ts'

const open: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

async function plc(
  answer: (question: Question) => void,
  keys: Record<string, unknown> = {},
): Promise<{ slave: SlaveSocket; driver: ModbusDriver; clock: ManualClock }> {
  const slave = await SlaveSocket.listen(answer)
  const clock = new ManualClock()
  const driver = started({ slave, clock, keys })
  await driver.start()
  return { slave, driver, clock }
}

function started({ slave, clock, keys }: { slave: SlaveSocket; clock: Clock; keys: Record<string, unknown> }) {
  const settings = tcp({ host: '127.0.0.1', port: slave.port, timeout: '1s', ...keys })
  const driver = driverOf(settings, { clock })
  open.push(
    () => slave.close(),
    () => driver.stop(),
  )
  return driver
}

const honest = (question: Question): void => {
  question.socket.write(goodAnswer(question))
}

/** Turns of the event loop, until something holds. */
async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100_000 && !holds(); turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(holds()).toBe(true)
}

describe('over TCP', () => {
  test('registers are read', async () => {
    const { driver } = await plc(honest)
    expect((await readGroup(driver, registers(7, 100, 3))).values).toEqual([7100, 7101, 7102])
    expect(driver.state().condition).toBe('fine')
  })

  test('an answer in pieces, and several in one piece, are the same to it', async () => {
    const { driver, slave } = await plc(() => {}, { inFlight: 4 })
    const reads = [0, 10, 20, 30].map((from) => readGroup(driver, registers(1, from, 2)))
    await slave.asked(4)
    const all = Buffer.concat(slave.questions.map(goodAnswer))
    const { socket } = slave.questions[0]!
    for (const [from, to] of [
      [0, 3],
      [3, 20],
      [20, 21],
      [21, all.length],
    ] as const) {
      // prettier-ignore
      socket.write(all.subarray(from, to))
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    }
    const outcomes = await Promise.all(reads)
    expect(outcomes.map(({ values }) => values)).toEqual([
      [1000, 1001],
      [1010, 1011],
      [1020, 1021],
      [1030, 1031],
    ]) // prettier-ignore
  })

  test('answers in another order find their questions', async () => {
    const { driver, slave } = await plc(() => {}, { inFlight: 8 })
    const reads = Array.from({ length: 8 }, (_, at) => readGroup(driver, registers(1, at * 10, 1)))
    await slave.asked(8)
    for (const question of slave.questions.toReversed()) question.socket.write(goodAnswer(question))
    const outcomes = await Promise.all(reads)
    expect(outcomes.map(({ values }) => values[0])).toEqual([1000, 1010, 1020, 1030, 1040, 1050, 1060, 1070])
  })

  test('never more requests are under way than inFlight allows', async () => {
    const { driver, slave } = await plc(() => {}, { inFlight: 2 })
    const reads = [0, 10, 20].map((from) => readGroup(driver, registers(1, from, 1)))
    await slave.asked(2)
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(slave.questions).toHaveLength(2)
    slave.answer = honest
    for (const question of [...slave.questions]) honest(question)
    await Promise.all(reads)
    expect(slave.questions).toHaveLength(3)
  })

  test('transaction ids use all 16 bits', async () => {
    const { driver, slave } = await plc(honest, { inFlight: 64 })
    const group = registers(1, 0, 1)
    const [request] = driver.plan(group)
    for (let round = 0; round < 300; round++) {
      const into = new BatchBuilder(group.ref)
      await Promise.all(Array.from({ length: 64 }, () => driver.read(request!, into, ALWAYS)))
    }
    const ids = slave.questions.map(({ transaction }) => transaction)
    expect(new Set(ids).size).toBe(300 * 64)
    expect(Math.max(...ids)).toBeGreaterThan(40_000)
  })

  test('a late answer is dropped, whatever was asked since', async () => {
    const { driver, slave, clock } = await plc(() => {})
    const late = readGroup(driver, registers(1, 0, 1, { retries: 0 }))
    await slave.asked(1)
    await clock.advance(1001)
    expect(((await late).fault as Retryable).reason).toBe(Reason.timeout)
    const next = readGroup(driver, registers(1, 50, 1, { retries: 0 }))
    await slave.asked(2)
    for (const question of slave.questions) question.socket.write(goodAnswer(question))
    expect((await next).values).toEqual([1050])
    expect(driver.counters()).toMatchObject({ lateReplies: 1, timeouts: 1 })
  })

  test('a transaction id that is nobody’s is dropped and the wait goes on', async () => {
    const { driver } = await plc((question) => {
      question.socket.write(goodAnswer({ ...question, transaction: question.transaction ^ 0x8000 }))
      honest(question)
    })
    expect((await readGroup(driver, registers(1, 5, 1))).values).toEqual([1005])
    expect(driver.counters()).toMatchObject({ foreignTransactions: 1 })
  })

  test('an answer of another unit is not taken, unless it is allowed', async () => {
    const impostor = (question: Question): void => {
      question.socket.write(goodAnswer({ ...question, unit: 9 }))
    }
    const { driver, slave, clock } = await plc(impostor)
    const reading = readGroup(driver, registers(1, 5, 1, { retries: 0 }))
    await slave.asked(1)
    await until(() => driver.counters().foreignUnits === 1)
    await clock.advance(1001)
    expect(((await reading).fault as Retryable).message).toMatch(/unit 9 answered in its place/)

    const easy = await plc(impostor, { checkUnit: false })
    expect((await readGroup(easy.driver, registers(1, 5, 1))).values).toEqual([9005])
  })

  test('a byte count other than asked is rejected', async () => {
    const { driver } = await plc(({ transaction, unit, socket }) => {
      socket.write(adu(transaction, unit, registersOf(unit, 0, 3)))
    })
    const outcome = await readGroup(driver, registers(1, 0, 2, { retries: 0 }))
    expect((outcome.fault as Retryable).reason).toBe(Reason.badFrame)
    expect(outcome.quality).toEqual([Reason.notYet, Reason.notYet])
    expect(driver.counters()).toMatchObject({ wrongLengths: 1 })
  })

  test.each([
    ['another protocol', [0, 0, 1, 0, 0, 5, 1, 3, 2, 0, 7]],
    ['a length below two', [0, 0, 0, 0, 0, 1, 1]],
    ['a length beyond a frame', [0, 0, 0, 0, 1, 0, 1]],
  ])('%s in the header: the connection is made anew', async (_, bytes) => {
    const { driver, slave, clock } = await plc(({ socket }) => socket.write(Uint8Array.from(bytes)))
    const outcome = await readGroup(driver, registers(1, 0, 1))
    expect((outcome.fault as Retryable).reason).toBe(Reason.noConnection)
    expect(driver.counters()).toMatchObject({ badHeaders: 1, disconnects: 1 })
    slave.answer = honest
    await clock.advance(1000)
    await slave.connected(2)
    expect((await readGroup(driver, registers(1, 0, 1))).values).toEqual([1000])
  })

  test('three timeouts in a row without a byte: half open, made anew', async () => {
    const { driver, slave, clock } = await plc(() => {})
    for (let count = 1; count <= 3; count++) {
      const reading = readGroup(driver, registers(1, 0, 1, { retries: 0 }))
      await slave.asked(count)
      await clock.advance(1001)
      await reading
    }
    expect(driver.counters()).toMatchObject({ deaf: 1, disconnects: 1 })
    await clock.advance(1000)
    await slave.connected(2)
  })

  test('one dead unit behind a gateway does not drop its neighbours', async () => {
    const { driver, slave, clock } = await plc((question) => {
      if (question.unit === 1) honest(question)
    })
    for (let round = 0; round < 5; round++) {
      const asked = slave.questions.length
      const dead = readGroup(driver, registers(2, 0, 1, { retries: 0 }))
      await slave.asked(asked + 1)
      await clock.advance(1001)
      await dead
      expect((await readGroup(driver, registers(1, 0, 1))).values).toEqual([1000])
    }
    expect(slave.accepted).toBe(1)
    expect(driver.counters()).toMatchObject({ disconnects: 0, timeouts: 5 })
  })

  test('requests under way together that time out together are one miss', async () => {
    const { driver, slave, clock } = await plc(() => {}, { inFlight: 8 })
    const reads = Array.from({ length: 8 }, () => readGroup(driver, registers(1, 0, 1, { retries: 0 })))
    await slave.asked(8)
    await clock.advance(1001)
    await Promise.all(reads)
    expect(driver.counters()).toMatchObject({ timeouts: 8, deaf: 0, disconnects: 0 })
  })

  test('nobody listens: said in a sentence, tried again with back-off, and there as soon as somebody does', async () => {
    const gone = await SlaveSocket.listen()
    await gone.close()
    const clock = new ManualClock()
    const driver = driverOf(tcp({ host: '127.0.0.1', port: 1, timeout: '1s' }), { clock })
    await driver.start()
    open.push(() => driver.stop())
    await until(() => driver.state().condition === 'fault')
    expect(driver.state().text).toBe('127.0.0.1:1 refuses the connection: nothing listens there')
    const outcome = await readGroup(driver, registers(1, 0, 1))
    expect((outcome.fault as Retryable).reason).toBe(Reason.noConnection)
    for (let attempt = 2; attempt < 6; attempt++) {
      await clock.advance(500 * 2 ** attempt)
      await until(() => driver.counters().connectFailures! >= attempt)
    }
  })

  test('the other side closes: reads fail with the reason, and go on after the reconnect', async () => {
    const { driver, slave, clock } = await plc(honest)
    await readGroup(driver, registers(1, 0, 1))
    for (const socket of slave.sockets) socket.end()
    await until(() => driver.state().condition === 'fault')
    expect(driver.state().text).toMatch(/closed the connection/)
    await clock.advance(1000)
    await slave.connected(2)
    expect((await readGroup(driver, registers(1, 0, 1))).values).toEqual([1000])
  })

  test('a pause is kept after connecting and between requests', async () => {
    const { driver, slave, clock } = await plc(honest, { pauseAfterConnect: '300ms', pause: '50ms' })
    await slave.connected(1)
    await until(() => driver.state().condition === 'fine')
    const first = readGroup(driver, registers(1, 0, 1))
    await clock.advance(299)
    expect(slave.questions).toHaveLength(0)
    await clock.advance(2)
    await first
    const second = readGroup(driver, registers(1, 0, 1))
    await clock.advance(48)
    expect(slave.questions).toHaveLength(1)
    await clock.advance(3)
    await second
  })

  test('per-cycle: connected for a cycle and closed after it', async () => {
    const { driver, slave, clock } = await plc(honest, { connect: 'per-cycle' })
    expect(slave.accepted).toBe(0)
    await readGroup(driver, registers(1, 0, 1))
    await readGroup(driver, registers(1, 5, 1))
    expect(slave.accepted).toBe(1)
    await clock.advance(50)
    await until(() => slave.sockets.size === 0)
    expect(driver.state().condition).toBe('fine')
    expect((await readGroup(driver, registers(1, 0, 1))).values).toEqual([1000])
    expect(slave.accepted).toBe(2)
  })

  test('a write that is not answered is unknown, and was sent once', async () => {
    const { driver, slave, clock } = await plc(() => {})
    const group = named(groupOf([{ address: 'holding:20', type: 'float32' }], { device: { unitId: 3 } }), 3)
    const writing = driver.write(group.device, group.tags[0]!, 1.5, ALWAYS).catch((thrown) => thrown)
    await slave.asked(1)
    expect([...slave.questions[0]!.pdu]).toEqual([16, 0, 20, 0, 2, 4, 0x3f, 0xc0, 0, 0])
    await clock.advance(3001)
    expect((await writing).ambiguous).toBe(true)
    expect((await writing).message).toMatch(/^unknown: sent but not answered/)
    expect(slave.questions).toHaveLength(1)
  })

  test('a write that another write’s confirmation answers is not confirmed', async () => {
    const { driver } = await plc(({ transaction, unit, socket }) => {
      socket.write(adu(transaction, unit, Uint8Array.of(16, 0, 21, 0, 2)))
    })
    const group = named(groupOf([{ address: 'holding:20', type: 'float32' }], { device: { unitId: 3 } }), 3)
    const fault = await driver.write(group.device, group.tags[0]!, 1.5, ALWAYS).catch((thrown) => thrown)
    expect(fault.ambiguous).toBe(true)
    expect(driver.counters()).toMatchObject({ wrongEchoes: 1, unknownWrites: 1 })
  })

  test('a write that never left is no unknown', async () => {
    const { driver, slave } = await plc(honest)
    await readGroup(driver, registers(1, 0, 1))
    await slave.close()
    await until(() => driver.state().condition === 'fault')
    const group = named(groupOf([{ address: 'holding:20', type: 'uint16' }], { device: { unitId: 3 } }), 3)
    const fault = await driver.write(group.device, group.tags[0]!, 1, ALWAYS).catch((thrown) => thrown)
    expect(fault.ambiguous).toBe(false)
  })

  test('an aborted read ends at once and leaves its connection usable', async () => {
    const { driver, slave } = await plc(() => {})
    const group = registers(1, 0, 1)
    const [request] = driver.plan(group)
    const abort = new AbortController()
    const reading = driver.read(request!, new BatchBuilder(group.ref), abort.signal).catch((thrown) => thrown)
    await slave.asked(1)
    abort.abort(new Rejected('enough'))
    expect((await reading).message).toBe('enough')
    honest(slave.questions[0]!)
    slave.answer = honest
    expect((await readGroup(driver, registers(1, 30, 1))).values).toEqual([1030])
    expect(driver.counters()).toMatchObject({ lateReplies: 1 })
  })

  test('nothing is left when it has stopped', async () => {
    const { driver, slave, clock } = await plc(() => {})
    const reading = readGroup(driver, registers(1, 0, 1))
    await slave.asked(1)
    await driver.stop()
    await driver.stop()
    expect(((await reading).fault as Retryable).reason).toBe(Reason.noConnection)
    expect(clock.timers).toBe(0)
    await until(() => slave.sockets.size === 0)
  })
})
