/** When a slot is good: the gateway makes progress, whatever the plant and the network do. */
import { expect, it } from 'vitest'
import { faultsOf } from '../../../image/guest/good.ts'

const half = (name: string, running: boolean) => ({
  half: name,
  running,
  text: running ? 'running' : 'it does not answer',
})
const side = (name: string, stalled: boolean) => ({
  side: name,
  health: { components: [{ name: `${name} loop`, stalled }] },
})

it('a slot is good where both halves run and no part of them is stuck', () => {
  const status = {
    halves: [half('field', true), half('uplink', true)],
    processes: [side('field', false), side('uplink', false)],
  }
  expect(faultsOf(status)).toEqual([])
})

it('a slot is not good while a half is away, a part is stuck, or nobody watches', () => {
  expect(faultsOf({ halves: [half('uplink', false)], processes: [side('field', false)] })).toEqual([
    'uplink half: it does not answer',
  ])
  expect(faultsOf({ processes: [side('field', true)] })).toEqual(['field loop is stuck'])
  expect(faultsOf({})).toEqual(['nothing watches over the gateway'])
})
