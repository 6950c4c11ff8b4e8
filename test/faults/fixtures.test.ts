/** A bug becomes a folder: `test/fixtures/modbus/<case>` holds a configuration, a conversation as `fieldgate trace --fixture`
 *  writes it, and what the gateway must make of it. FIELDGATE_FIXTURES=write writes the expectation anew. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { SimulatedBoard } from '../../hal/simulated/board.ts'
import { Replay } from '../../hal/simulated/replay.ts'
import { SimulatedWire } from '../../hal/simulated/wire.ts'
import { type Batch, Reason, samples } from '../../src/contracts/batch.ts'
import { Lane } from '../../src/schedule/lane.ts'
import { Poller } from '../../src/schedule/poller.ts'
import { connectionSettings, type RtuSettings } from '../../src/southbound/modbus/settings.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { valid } from '../config/loading.ts'
import { driverOf } from '../southbound/modbus/rig.ts'

const FOLDER = fileURLToPath(new URL('../fixtures/modbus/', import.meta.url))
const NAMES = new Map(Object.entries(Reason).map(([name, code]) => [code as Reason, name]))

/** One batch a line, and the counters that are not zero last. */
async function lines(folder: string): Promise<readonly string[]> {
  const { connections, groups } = await valid(readFileSync(`${folder}/config.yaml`, 'utf8'))
  const settings = connectionSettings(connections[0]!.settings) as RtuSettings
  const clock = new ManualClock()
  const { baudRate, parity, stopBits } = settings
  const wire = new SimulatedWire({ clock, baudRate, parity, stopBits })
  const replay = new Replay({ wire, text: readFileSync(`${folder}/wire.hex`, 'utf8') })
  wire.attach(replay)
  const driver = driverOf(settings, { clock, board: new SimulatedBoard({ wires: { [settings.port]: wire } }) })
  const lane = new Lane({ clock, inFlight: 1 })
  const batches: Batch[] = []
  const poller = new Poller({ clock, driver, lane, emit: (batch) => batches.push(batch) })
  await driver.start()
  await clock.advance(50)
  poller.configure(groups)
  poller.start()
  for (let ms = 0; replay.left > 0 && ms < 60_000; ms += 100) await clock.advance(100)
  await clock.advance(500)
  expect(replay.left, 'questions of the record that were not asked').toBe(0)
  const before = batches.length
  const counted = Object.entries(driver.counters()).filter(([, count]) => count !== 0)
  await lane.stop()
  await driver.stop()
  return [...batches.slice(0, before).map(lineOf), JSON.stringify({ counters: Object.fromEntries(counted) })]
}

function lineOf(batch: Batch): string {
  const tags = Array.from(samples(batch), ({ tag, value, quality }) => [
    tag.name,
    quality === Reason.good ? value : { bad: NAMES.get(quality) },
  ])
  const { device, group } = batch.group
  return JSON.stringify({ device, group, tags: Object.fromEntries(tags) })
}

describe('a recorded conversation is understood as it was judged:', () => {
  const cases = existsSync(FOLDER) ? readdirSync(FOLDER).sort() : []

  test('there are some', () => {
    expect(cases.length).toBeGreaterThan(3)
  })

  test.each(cases)('%s', async (name) => {
    const folder = FOLDER + name
    const said = await lines(folder)
    if (process.env.FIELDGATE_FIXTURES === 'write') writeFileSync(`${folder}/expected.jsonl`, `${said.join('\n')}\n`)
    expect(said).toEqual(readFileSync(`${folder}/expected.jsonl`, 'utf8').trim().split('\n'))
  })
})
