/** Promise 14: how LMDB is used. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { promised } from './house.ts'

const SIDES = ['field', 'uplink'] as const
const small = { tags: 100, segmentBytes: 200_000 }

/** The number of the last one that was committed to a database. */
function lastTransaction(path: string): number {
  const file = readFileSync(path)
  return Math.max(...[0, 4096].map((page) => Number(file.readBigUInt64LE(page + 152))))
}

describe('promise 14: never noSync, never useWritemap, never overlappingSync', () => {
  promised('no environment is ever opened in another way', small, async (house) => {
    const opened: { readonly [option: string]: unknown }[] = []
    const far = await house.plug('far')
    await house.plug('near')
    await house.configure('far', 'near')
    far.answer = () => new Promise(() => undefined)
    for (let life = 0; life < 2; life++) {
      await house.fill(600)
      await house.drained('near')
      for (const side of SIDES) {
        const environments = await house.environments(side)
        opened.push(...environments.opened)
        // What is mapped cannot be written through the map: a stray pointer damages no log.
        expect(environments.maps.length).toBeGreaterThan(0)
        for (const line of environments.maps) expect(line).toMatch(/ r--s /)
      }
      far.answer = () => []
      await house.restart('both', 'stop')
    }
    await house.drained('far')
    // Where root tries this, each half is a user of its own, and writes what is its own.
    const [segments, places] = ['log.json', 'readers/log.mdb'].map((name) => statSync(join(house.path, name)).uid)
    expect(segments !== places).toBe(house.processes === 2 && process.getuid?.() === 0)
    expect(opened.length).toBeGreaterThan(5)
    expect(new Set(opened.map(({ path }) => path)).size).toBeGreaterThan(5)
    for (const options of opened) {
      expect(options).toMatchObject({ overlappingSync: false, eventTurnBatching: false, cache: false })
      for (const never of ['noSync', 'useWritemap', 'noMetaSync', 'mapAsync', 'noReadAhead', 'safeRestore']) {
        expect(options[never] ?? false, `${never} of ${options.path}`).toBe(false)
      }
    }
  })

  promised('a reader takes at most 64 KiB a turn', small, async (house) => {
    const sink = await house.plug('emqx')
    await house.unplug('emqx')
    await house.fill(1000)
    await house.plug('emqx', { maxEntries: 1000 })
    await house.drained('emqx')
    const { mostReadInATurn } = await house.sinkReport('emqx')
    expect(mostReadInATurn).toBeLessThanOrEqual(2 ** 16)
    expect(mostReadInATurn).toBeGreaterThan(2 ** 15)
    expect(sink.numbers).toHaveLength(1000)
  })

  promised('no read transaction is held while others write', small, async (house) => {
    const [near] = [await house.plug('near'), await house.plug('idle')]
    await house.configure('near', 'idle')
    house.receiver('idle').answer = () => new Promise(() => undefined)
    await house.fill(300)
    await house.until('near has it', () => near.numbers.length === 300)
    for (let commit = 0; commit < 10; commit++) {
      await house.append(1)
      await house.advance(100)
    }
    await house.until('near has it', () => near.numbers.length === 310)
    let looked = 0
    for (const side of SIDES) {
      for (const { path, list } of (await house.environments(side)).readers) {
        const last = lastTransaction(path)
        for (const held of list.matchAll(/^ *\d+ [0-9a-f]+ (\d+|-)$/gm)) {
          looked++
          if (held[1] === '-') continue
          expect(Number(held[1]), `${path} of ${last}:\n${list}`).toBeGreaterThanOrEqual(last - 2)
        }
        expect(list).toMatch(/txnid|no active readers/)
      }
    }
    if (house.processes === 2) expect(looked).toBeGreaterThan(0)
  })
})
