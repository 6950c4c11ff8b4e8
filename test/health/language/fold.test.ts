import { describe, expect, it } from 'vitest'
import type { Light } from '../../../src/contracts/report.ts'
import { fold, ROLES } from '../../../src/health/language/fold.ts'
import { light, STATES, type StateId } from '../../../src/health/language/states.ts'

const FINE = ['sys.fine', 'bus.fine', 'net.fine', 'ha.off'] as const

/** All is fine but these. */
function lights(...ids: StateId[]): readonly Light[] {
  const given = ids.map((id) => light(id, { connection: 2 }))
  return FINE.map((id) => given.find(({ role }) => role === light(id).role) ?? light(id))
}

const looks = (all: ReadonlyMap<Light['role'], Light>): Record<string, string> =>
  Object.fromEntries(
    [...all].map(([role, { colour, pattern, code }]) => [
      role,
      `${colour} ${pattern}${code ? ` ${code.join('.')}` : ''}`,
    ]),
  )

describe('with four lamps', () => {
  it('each role has its own', () => {
    const all = lights('bus.nobody', 'net.buffering.50', 'ha.alone')
    expect([...fold(all, ROLES).values()]).toEqual(all)
  })
})

describe('with three lamps', () => {
  const three = ['SYS', 'BUS', 'NET'] as const

  it('SYS speaks for HA when that is worse, in a code that begins with 4', () => {
    expect(looks(fold(lights('ha.fenced'), three))).toEqual({
      SYS: 'red code 4.1',
      BUS: 'green gap',
      NET: 'green gap',
    })
    expect(looks(fold(lights('ha.alone'), three)).SYS).toBe('amber code 4.1')
    expect(looks(fold(lights('ha.ready'), three)).SYS).toBe('green code 4.1')
    expect(looks(fold(lights('ha.active'), three)).SYS).toBe('green gap')
  })

  it('SYS speaks for itself when it is worse', () => {
    expect(looks(fold(lights('ha.alone', 'sys.disk'), three)).SYS).toBe('red double')
    expect(looks(fold(lights('sys.stalled', 'ha.ready'), three)).SYS).toBe('red code 1.3')
  })

  it('SYS needs no number before its codes on a gateway of its own', () => {
    expect(looks(fold(lights('sys.stalled'), three)).SYS).toBe('red code 3')
  })

  it('BUS and NET stay as they are', () => {
    expect(looks(fold(lights('bus.nobody', 'net.losing', 'ha.fenced'), three))).toMatchObject({
      BUS: 'red code 2.2',
      NET: 'red steady',
    })
  })
})

describe('with one lamp', () => {
  const one = ['SYS'] as const
  const shown = (...ids: StateId[]): Light => fold(lights(...ids), one).get('SYS')!
  const look = (...ids: StateId[]): string => looks(new Map([['SYS', shown(...ids)]])).SYS!

  it('is fine when all is', () => {
    expect(look()).toBe('green gap')
    expect(shown().id).toBe('sys.fine')
  })

  it('says which lamp it would be, then its code', () => {
    expect(look('bus.nobody')).toBe('red code 2.2.2')
    expect(look('net.buffering.75')).toBe('amber code 3.3')
    expect(look('net.no-link')).toBe('green code 3.1')
    expect(look('sys.stalled')).toBe('red code 1.3')
    expect(shown('net.credentials')).toMatchObject({ id: 'net.credentials', role: 'SYS', code: [3, 2] })
    expect(shown('net.credentials').text).toMatch(/^NET: /)
  })

  it('says the worst of all, and among equals that of the first role', () => {
    expect(look('sys.clock', 'bus.some-silent', 'net.losing')).toBe('red code 3.1')
    expect(look('bus.not-reached', 'net.losing')).toBe('red code 2.2.1')
    expect(look('sys.clock', 'bus.idle')).toBe('amber long-on')
  })

  it('shows each state in a way of its own where another has to be done', () => {
    const seen = new Map<string, StateId>()
    const own = Object.keys(STATES) as StateId[]
    for (const id of own.filter(
      (id) => !id.startsWith('sys.') && STATES[id].pattern !== 'gap' && STATES[id].colour !== 'off',
    )) {
      const said = look(id)
      expect(seen.get(said), `${id} looks as ${seen.get(said)}`).toBeUndefined()
      seen.set(said, id)
    }
    for (const id of own.filter((id) => id.startsWith('sys.'))) expect(seen.get(look(id)), id).toBeUndefined()
  })

  it('may be any role’s', () => {
    expect(looks(fold(lights('sys.disk'), ['NET'])).NET).toBe('red code 1')
  })
})
