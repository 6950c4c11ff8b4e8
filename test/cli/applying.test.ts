/** How a half takes another configuration, whatever becomes of whoever applies it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keep } from '../../src/cli/run/active.ts'
import { Applying, type Prepared } from '../../src/cli/run/applying.ts'
import { loadApart } from '../../src/cli/run/loading.ts'
import type { Configuration } from '../../src/config/configuration.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { Said } from '../log/batches.ts'

const never = new AbortController().signal

describe('a half that is given another configuration', () => {
  let folder: string
  let file: string
  let clock: ManualClock
  let inForce: Configuration
  let applying: Applying
  const write = (id: string): void => writeFileSync(file, `gateway: { id: ${id} }\nlog: { path: log }\n`)
  const loaded = async (): Promise<Configuration> => {
    const one = await loadApart({ file })
    if (!one.ok) throw new TypeError('the test writes valid files')
    return one.configuration
  }
  const call = (method: string, given: object, signal = never): Promise<unknown> =>
    applying.methods()[method]!(given, { send: () => true, signal })
  const prepare = async (): Promise<string> => {
    const prepared = (await call('prepare', { file })) as Prepared
    if (!prepared.ok) throw new TypeError('it was not prepared')
    return prepared.hold
  }
  const gateway = (): string => inForce.gateway.gateway

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fieldgate-applying-'))
    file = join(folder, 'gateway.yaml')
    clock = new ManualClock()
    write('before')
    inForce = await loaded()
    await keep({ configuration: inForce, file, side: 'field' })
    applying = new Applying({
      clock,
      log: new Said(),
      file,
      side: 'field',
      inForce: () => inForce,
      consequences: (changes) => changes,
      reload: async (after) => {
        inForce = after
      },
      applied: async () => {},
    })
    write('after')
  })
  afterEach(() => {
    applying.stop()
    expect(clock.timers).toBe(0)
    rmSync(folder, { recursive: true, force: true })
  })

  it('checks it, makes it the active one when told, and then puts it into force', async () => {
    const hold = await prepare()
    expect([gateway(), readFileSync(join(folder, 'log/active.yaml'), 'utf8')]).toEqual(['before', inForce.frozen])
    await call('decide', { hold })
    expect(readFileSync(join(folder, 'log/active.yaml'), 'utf8')).toContain('id: after')
    expect(gateway()).toBe('before')
    expect(await call('settle', { hold })).toEqual({ revision: inForce.source.sha256 })
    expect(gateway()).toBe('after')
  })

  it('holds one at a time', async () => {
    const hold = await prepare()
    await expect(call('prepare', { file })).rejects.toThrow(/being applied at this moment/)
    await call('abandon', { hold })
    await call('abandon', { hold: await prepare() })
    expect(gateway()).toBe('before')
  })

  it('drops in time what nobody decides on', async () => {
    const hold = await prepare()
    await clock.advance(60_000)
    expect(await call('settle', { hold })).toEqual({ revision: inForce.source.sha256 })
    await expect(call('decide', { hold })).rejects.toThrow(/not held any more: apply it again/)
    await prepare()
    expect(gateway()).toBe('before')
  })

  it('puts it into force by itself when whoever applied it is gone after it was decided', async () => {
    await call('decide', { hold: await prepare() })
    await clock.advance(60_000)
    await expect.poll(gateway).toBe('after')
  })

  it('goes by what is active: decided elsewhere it is taken, and another one is not', async () => {
    const first = await prepare()
    await keep({ configuration: await loaded(), file, side: 'uplink' })
    await call('settle', { hold: first })
    expect(gateway()).toBe('after')
    write('third')
    const second = await prepare()
    expect(await call('settle', { hold: second })).toEqual({ revision: inForce.source.sha256 })
    expect(gateway()).toBe('after')
  })

  it('holds nothing of a file that is wrong, nor for somebody who has left', async () => {
    writeFileSync(file, 'conections: {}\nlog: { path: log }\n')
    expect(await call('prepare', { file })).toMatchObject({ ok: false, problems: [{ line: 1 }] })
    write('after')
    const left = new AbortController()
    left.abort(new TypeError('left'))
    await expect(call('prepare', { file }, left.signal)).rejects.toThrow('left')
    writeFileSync(file, 'log: { path: elsewhere }\n')
    await expect(call('prepare', { file })).rejects.toThrow(/log.path cannot change while the service runs/)
    write('after')
    await prepare()
  })
})
