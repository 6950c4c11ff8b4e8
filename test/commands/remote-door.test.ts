/** The way from the uplink half to the field's door, over a real socket. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { RemoteDoor, sinkCommands } from '../../src/commands/remote-door.ts'
import { connectSocket, SocketServer } from '../../src/commands/socket.ts'
import type { CommandDoor, CommandResult, WriteCommand } from '../../src/contracts/command.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const command: WriteCommand = {
  id: 'u-1',
  by: 'sink:emqx',
  device: 'oven',
  group: 'zones',
  writes: [
    { tag: 'setpoint', value: 180.5 },
    { tag: 'key', value: new Uint8Array([1, 2]) },
  ],
}

function place(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fg-'))
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'command.sock')
}

async function field(submit: CommandDoor['submit']): Promise<{ path: string; server: SocketServer }> {
  const path = place()
  const server = new SocketServer({ path, mode: 0o660, methods: sinkCommands({ door: { submit }, clock }) })
  await server.start()
  cleanups.push(() => server.stop())
  return { path, server }
}

const clock = new ManualClock()
const never = new AbortController().signal
const done = async ({ id }: WriteCommand): Promise<CommandResult> => ({ id, outcome: 'done', text: 'written' })

describe('the door seen from the other half', () => {
  it('is given the command as it is, and gives its answer back', async () => {
    const asked: WriteCommand[] = []
    const { path } = await field((one) => {
      asked.push(one)
      return done(one)
    })
    const result = await new RemoteDoor({ path, clock }).submit(command, never)
    expect(result).toEqual({ id: 'u-1', outcome: 'done', text: 'written' })
    expect(asked).toEqual([command])
  })

  it('says in a sentence that the field half is away, and that nothing was written', async () => {
    const result = await new RemoteDoor({ path: place(), clock }).submit(command, never)
    expect(result).toMatchObject({ id: 'u-1', outcome: 'failed' })
    expect(result.text).toMatch(/field half does not answer, nothing was written: start it/)
  })

  it('opens for sinks alone: a console is refused, and asks nothing', async () => {
    let asked = 0
    const { path } = await field((one) => {
      asked++
      return done(one)
    })
    const result = await new RemoteDoor({ path, clock }).submit({ ...command, by: 'console' }, never)
    expect(result).toMatchObject({ outcome: 'refused', text: expect.stringContaining('only sinks write here') })
    expect(asked).toBe(0)
  })

  it('calls a write unknown whose answer is lost, and does not ask again', async () => {
    let asked = 0
    const begun = Promise.withResolvers<void>()
    const { path, server } = await field(() => {
      asked++
      begun.resolve()
      return new Promise(() => {})
    })
    const waiting = new RemoteDoor({ path, clock }).submit(command, never)
    await begun.promise
    await server.stop()
    const result = await waiting
    expect(result).toMatchObject({ id: 'u-1', outcome: 'unknown' })
    expect(result.text).toMatch(/not known, and it is not tried again/)
    expect(asked).toBe(1)
  })

  it('is not waited for without end; the field then sends nothing any more', async () => {
    const begun = Promise.withResolvers<AbortSignal>()
    const { path } = await field((_, signal) => {
      begun.resolve(signal)
      return new Promise(() => {})
    })
    const waiting = new RemoteDoor({ path, clock }).submit(command, never)
    const signal = await begun.promise
    const left = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    await clock.advance(60_000)
    expect(await waiting).toMatchObject({ outcome: 'unknown', text: expect.stringContaining('within 27 s') })
    await left
  })

  it('refuses what is no command', async () => {
    const { path } = await field(done)
    const client = await connectSocket(path)
    cleanups.push(() => client.close())
    const until = { boot: clock.boot, monotonic: clock.monotonic() + 1000 }
    for (const wrong of [{}, { by: 'sink:x' }, { ...command, writes: 7 }, { ...command, device: 3 }]) {
      await expect(client.call('submit', { ...wrong, until })).rejects.toThrow(/missing or is not/)
    }
    await expect(client.call('submit', null)).rejects.toThrow(/no command/)
  })

  it('refuses what arrives when whoever asked has given it up, and what was asked before the box was started', async () => {
    let asked = 0
    const { path } = await field((one) => {
      asked++
      return done(one)
    })
    const client = await connectSocket(path)
    cleanups.push(() => client.close())
    const now = clock.monotonic()
    for (const until of [
      { boot: clock.boot, monotonic: now - 1 },
      { boot: 'another', monotonic: now + 1000 },
      undefined,
    ]) {
      await expect(client.call('submit', { ...command, until })).rejects.toThrow('the command came after its time')
    }
    expect(asked).toBe(0)
  })
})
