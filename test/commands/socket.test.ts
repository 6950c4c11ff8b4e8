import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import {
  connectSocket,
  jsonValue,
  type Method,
  type SocketClient,
  SocketServer,
  valueFrom,
} from '../../src/commands/socket.ts'
import { Reason } from '../../src/contracts/batch.ts'
import { ConfigurationFault, Fatal, Rejected, Retryable } from '../../src/contracts/errors.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'fg-'))
  cleanups.push(() => rmSync(made, { recursive: true, force: true }))
  return made
}

async function serve(methods: Record<string, Method>, path = join(folder(), 'inspect.sock'), mostUnsentBytes?: number) {
  const server = new SocketServer({ path, mode: 0o660, methods, ...(mostUnsentBytes && { mostUnsentBytes }) })
  await server.start()
  cleanups.push(() => server.stop())
  return { server, path }
}

async function client(path: string): Promise<SocketClient> {
  const made = await connectSocket(path)
  cleanups.push(() => made.close())
  return made
}

/** A method that ends with its caller. */
const followed: Method = (_, { signal }) =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(null), { once: true }))

async function seen<T>(look: () => T | undefined | false): Promise<T> {
  for (;;) {
    const found = look()
    if (found) return found
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Sends bytes as they are; resolves with all that came back until the server closed or `until` stands in it. */
async function raw(path: string, bytes: string, until: string): Promise<string> {
  const socket = connect(path)
  cleanups.push(() => socket.destroy())
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.on('error', () => {})
  socket.write(bytes)
  await seen(() => text.includes(until) || socket.closed)
  return text
}

describe('a socket', () => {
  it('answers calls, many at once, each with its own result', async () => {
    const { path, server } = await serve({
      double: async (params) => (params as { of: number }).of * 2,
      slow: async () => {
        await new Promise((resolve) => setImmediate(resolve))
        return 'late'
      },
    })
    const calling = await client(path)
    const results = await Promise.all([
      calling.call('slow'),
      calling.call('double', { of: 2 }),
      calling.call('double', { of: 3 }),
    ])
    expect(results).toEqual(['late', 4, 6])
    expect(server.counters()).toMatchObject({ calls: 3, refused: 0 })
    expect(statSync(path).mode & 0o777).toBe(0o660)
  })

  it('throws at the caller what the method threw: its remedy and its sentence', async () => {
    const { path, server } = await serve({
      retry: () => Promise.reject(new Retryable('not now', { reason: Reason.timeout, ambiguous: true })),
      reject: () => {
        throw new Rejected('never', { reason: Reason.refused })
      },
      configure: () => Promise.reject(new ConfigurationFault('somebody must act')),
      restart: () => Promise.reject(new Fatal('broken')),
      plain: () => Promise.reject(new TypeError('x is undefined')),
    })
    const calling = await client(path)
    await expect(calling.call('retry')).rejects.toMatchObject({
      name: 'Retryable',
      message: 'not now',
      reason: Reason.timeout,
      ambiguous: true,
    })
    await expect(calling.call('reject')).rejects.toMatchObject({
      name: 'Rejected',
      message: 'never',
      reason: Reason.refused,
    })
    await expect(calling.call('configure')).rejects.toBeInstanceOf(ConfigurationFault)
    await expect(calling.call('restart')).rejects.toBeInstanceOf(Fatal)
    await expect(calling.call('plain')).rejects.toThrow('internal fault: x is undefined')
    expect(server.counters()).toMatchObject({ faults: 2 })
  })

  it('streams events until the caller leaves, and tells the method', async () => {
    let left: unknown
    const { path } = await serve({
      follow: async (params, call) => {
        for (let nth = 1; nth <= 3; nth++) call.send({ nth, params })
        await followed(params, call)
        left = call.signal.reason
      },
    })
    const calling = await client(path)
    const ending = new AbortController()
    const got: unknown[] = []
    for await (const event of calling.stream('follow', 'p', ending.signal)) {
      got.push(event)
      if (got.length === 3) ending.abort()
    }
    expect(got).toEqual([1, 2, 3].map((nth) => ({ nth, params: 'p' })))
    await seen(() => left !== undefined)
    expect(await calling.call('nothing').catch((thrown) => thrown.message)).toContain('there are: follow')
  })

  it('ends a stream with the method, or with what it threw; breaking off ends it too', async () => {
    let aborted = false
    const { path } = await serve({
      three: async (_, call) => {
        for (const nth of [1, 2, 3]) call.send(nth)
      },
      failing: async (_, call) => {
        call.send(1)
        throw new Rejected('no more')
      },
      endless: async (params, call) => {
        call.send(1)
        await followed(params, call)
        aborted = true
      },
    })
    const calling = await client(path)
    const { signal } = new AbortController()
    const all: unknown[] = []
    for await (const event of calling.stream('three', {}, signal)) all.push(event)
    expect(all).toEqual([1, 2, 3])
    const got: unknown[] = []
    await expect(
      (async () => {
        for await (const event of calling.stream('failing', {}, signal)) got.push(event)
      })(),
    ).rejects.toThrow('no more')
    expect(got).toEqual([1])
    for await (const _ of calling.stream('endless', {}, signal)) break
    await seen(() => aborted)
  })

  it('aborts what is under way when the caller goes away or the server stops', async () => {
    const reasons: unknown[] = []
    const { path, server } = await serve({
      wait: async (params, call) => {
        await followed(params, call)
        reasons.push(call.signal.reason)
      },
    })
    const first = await client(path)
    const second = await client(path)
    const answers = [first.call('wait'), second.call('wait')].map((call) => call.catch((thrown) => thrown.message))
    await seen(() => server.counters().calls === 2)
    first.close()
    await seen(() => reasons.length === 1)
    await server.stop()
    expect(await Promise.all(answers)).toEqual(Array(2).fill('the gateway closed the connection'))
    await seen(() => reasons.length === 2)
    await expect(second.call('wait')).rejects.toBeInstanceOf(Retryable)
    expect(existsSync(path)).toBe(false)
  })

  it('refuses what is no request, and goes on with the next', async () => {
    const { path, server } = await serve({ hello: async () => 'hi' })
    const text = await raw(
      path,
      'nonsense\n[]\nnull\n{"id":{},"method":"hello"}\n{"id":1,"method":"toString"}\n{"id":2,"method":"hello"}\n',
      '"hi"',
    )
    expect(
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).error?.remedy ?? 'answered'),
    ).toEqual(['reject', 'reject', 'reject', 'reject', 'reject', 'answered'])
    expect(server.counters()).toMatchObject({ calls: 1, refused: 5 })
  })

  it('does not gather a request without end', async () => {
    const { path, server } = await serve({ hello: async () => 'hi' })
    expect(await raw(path, 'x'.repeat(3 << 20), 'at most')).toContain('a request has at most 1048576 bytes')
    await seen(() => server.counters().refused === 1)
    expect(await (await client(path)).call('hello')).toBe('hi')
  })

  it('lets go of a reader that does not read, and serves the others', async () => {
    const { path, server } = await serve(
      {
        flood: async (_, call) => {
          while (!call.signal.aborted) {
            call.send('x'.repeat(10_000))
            await new Promise((resolve) => setImmediate(resolve))
          }
        },
        hello: async () => 'hi',
      },
      undefined,
      200_000,
    )
    const deaf = connect(path)
    cleanups.push(() => deaf.destroy())
    deaf.on('error', () => {})
    deaf.pause()
    deaf.write('{"id":1,"method":"flood"}\n')
    const other = await client(path)
    await seen(() => server.counters().tooSlow === 1)
    expect(await other.call('hello')).toBe('hi')
  })

  it('bounds the calls one caller has under way', async () => {
    const { path } = await serve({ wait: followed })
    const calling = await client(path)
    const pending = Array.from({ length: 101 }, () => calling.call('wait').catch((thrown) => thrown.message))
    expect(await pending[100]).toBe('100 calls are still under way')
  })

  it('survives an answer that cannot be said', async () => {
    const circle: Record<string, unknown> = {}
    circle.circle = circle
    const { path } = await serve({ circle: async () => circle, hello: async () => 'hi' })
    const calling = await client(path)
    await expect(calling.call('circle')).rejects.toThrow('internal fault')
    expect(await calling.call('hello')).toBe('hi')
  })
})

describe('a socket’s place', () => {
  it('is taken over from a process that died, but not from one that lives', async () => {
    const path = join(folder(), 'inspect.sock')
    const child = spawn(process.execPath, [
      '-e',
      `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`,
    ])
    await once(child.stdout, 'data')
    const second = new SocketServer({ path, mode: 0o660, methods: {} })
    await expect(second.start()).rejects.toThrow(/another gateway runs here/)
    await expect(second.start()).rejects.toBeInstanceOf(ConfigurationFault)
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(existsSync(path)).toBe(true)
    const { path: same } = await serve({ hello: async () => 'hi' }, path)
    expect(await (await client(same)).call('hello')).toBe('hi')
  })

  it('is not taken from a file that is no socket', async () => {
    const path = join(folder(), 'inspect.sock')
    writeFileSync(path, 'precious')
    await expect(serve({}, path)).rejects.toThrow('is in the way and no socket')
    expect(statSync(path).size).toBe(8)
  })

  it('may have a longer path than the kernel takes', async () => {
    const deep = join(folder(), 'a'.repeat(60), 'b'.repeat(60))
    mkdirSync(deep, { recursive: true })
    const path = join(deep, 'inspect.sock')
    const { server } = await serve({ hello: async () => 'hi' }, path)
    expect(await (await client(path)).call('hello')).toBe('hi')
    await expect(new SocketServer({ path, mode: 0o660, methods: {} }).start()).rejects.toThrow('another gateway')
    await server.stop()
    expect(existsSync(path)).toBe(false)
  })

  it('must exist: a folder that is missing says so', async () => {
    await expect(serve({}, join(folder(), 'missing', 'inspect.sock'))).rejects.toBeInstanceOf(Fatal)
  })
})

describe('a caller', () => {
  it('is told when no gateway is there', async () => {
    await expect(connectSocket(join(folder(), 'inspect.sock'))).rejects.toThrow(/no gateway answers at .*fieldgate run/)
  })

  it('is not brought down by a server that talks nonsense', async () => {
    const path = join(folder(), 'inspect.sock')
    const server = createServer((socket) => socket.end('<html>\n')).listen(path)
    cleanups.push(() => server.close())
    await once(server, 'listening')
    const calling = await client(path)
    await expect(calling.call('status')).rejects.toBeInstanceOf(Retryable)
  })
})

describe('values in JSON', () => {
  it('are numbers where a double holds them, digits beyond, base64 for bytes, null for what is no number', () => {
    const value = {
      small: 5n,
      large: 2n ** 60n,
      bytes: Uint8Array.of(1, 2),
      buffer: Buffer.from([3]),
      nan: Number.NaN,
      list: [1n, Uint8Array.of(255)],
    }
    expect(JSON.parse(JSON.stringify(value, jsonValue))).toEqual({
      small: 5,
      large: '1152921504606846976',
      bytes: { base64: 'AQI=' },
      buffer: { base64: 'Aw==' },
      nan: null,
      list: [1, { base64: '/w==' }],
    })
  })

  it('come back as what a tag can hold, and as nothing else', () => {
    for (const value of [1.5, 'text', true, null, [1, 2], [[1], ['a']]]) expect(valueFrom(value)).toEqual(value)
    expect(valueFrom({ base64: 'AQI=' })).toEqual(Uint8Array.of(1, 2))
    const wrong = [{}, { base64: 1 }, [[[1]]], [{ x: 1 }], undefined, Array(20_000).fill(0)]
    for (const value of wrong) expect(() => valueFrom(value)).toThrow(/^a value is a/)
  })
})
