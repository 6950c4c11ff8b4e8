import { describe, expect, it } from 'vitest'
import { light } from '../../src/health/language/states.ts'
import { LightJournal } from '../../src/health/light-journal.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'

function journal() {
  const clock = new ManualClock()
  const said: string[] = []
  const say = (level: string) => (text: string) => void said.push(`${level} ${text}`)
  const log = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') }
  return { clock, said, one: new LightJournal({ clock, log }) }
}

describe('the journal of the lights', () => {
  it('has what, why and what to do when a light changes, once, as loud as its colour', async () => {
    const { clock, said, one } = journal()
    const bad = light('sys.disk', { says: 'the log: the disk is full' })
    one.look([light('sys.fine'), light('net.fine')])
    expect(said).toEqual([])
    one.look([bad, light('net.fine')])
    one.look([bad, light('net.fine')])
    await clock.advance(60_000)
    one.look([light('sys.disk', { says: 'the log: in other words' }), light('net.fine')])
    expect(said).toEqual([`error SYS: ${bad.text}`])
    expect(bad.text).toMatch(/the disk is full; \w+/)
    one.look([light('sys.fine'), light('net.fine')])
    expect(said.slice(1)).toEqual([`info SYS: ${light('sys.fine').text}`])
  })

  it('is not filled by a light that changes each second, and has how it ends', async () => {
    const { clock, said, one } = journal()
    for (let second = 0; second < 600; second++) {
      one.look([second % 2 === 0 ? light('net.fine') : light('net.buffering.25')])
      await clock.advance(1000)
    }
    expect(said.length).toBeLessThanOrEqual(61)
    await clock.advance(10_000)
    one.look([light('net.fine')])
    expect(said.at(-1)).toBe(`info NET: ${light('net.fine').text}`)
  })
})
