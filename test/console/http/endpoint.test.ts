/** The endpoint as strangers meet it: over real sockets, byte for byte. */
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { Endpoint, type Pages } from '../../../src/console/http/endpoint.ts'
import { Ledger } from '../../../src/health/ledger.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'
import { freePort, until } from '../../peers/processes.ts'

const clock = new ManualClock()
let said: string[] = []
const log = {
  debug: (text: string) => void said.push(`debug ${text}`),
  info: (text: string) => void said.push(`info ${text}`),
  warn: (text: string) => void said.push(`warn ${text}`),
  error: (text: string) => void said.push(`error ${text}`),
}
const text = (body: string) => ({ status: 200, contentType: 'text/plain', text: body }) as const
const ledger = new Ledger({ clock })
const pages: Pages = {
  '/here': async ({ query }) => text(`here ${query.get('devices') ?? 'no'}\n`),
  '/broken': () => Promise.reject(new Error('secret/path/of/ours.ts:12')),
  '/slow': () => new Promise(() => {}),
}
const endpoints: Endpoint[] = []

async function opened(): Promise<{ endpoint: Endpoint; port: number }> {
  said = []
  const endpoint = new Endpoint({ clock, log, health: ledger, pages, headersMs: 300 })
  endpoints.push(endpoint)
  const port = await freePort()
  await endpoint.configure({ host: '127.0.0.1', port })
  return { endpoint, port }
}

afterEach(async () => {
  for (const endpoint of endpoints.splice(0)) await endpoint.stop()
})

/** What comes back until the other side ends. */
async function exchange(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let got = ''
  socket.on('data', (chunk) => (got += chunk))
  socket.on('error', () => {})
  socket.write(bytes)
  await new Promise((resolve) => socket.once('close', resolve))
  return got
}

const request = (line: string, headers = 'Host: 127.0.0.1\r\n'): string =>
  `${line}\r\n${headers}Connection: close\r\n\r\n`
const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1])

describe('the endpoint', () => {
  it('answers GET and HEAD of its pages, and lets nothing be kept or framed', async () => {
    const { port, endpoint } = await opened()
    const got = await exchange(port, request('GET /here?devices=1 HTTP/1.1'))
    expect(got).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(got).toMatch(/\r\n\r\nhere 1\n$/)
    expect(got).toMatch(/cache-control: no-store/i)
    expect(got).toMatch(/content-security-policy: default-src 'none'/i)
    expect(got).toMatch(/x-content-type-options: nosniff/i)
    expect(got).not.toMatch(/x-powered-by|^server:/im)
    const head = await exchange(port, request('HEAD /here HTTP/1.1'))
    expect(head).toMatch(/content-length: 8\r\n/i)
    expect(head.endsWith('\r\n\r\n')).toBe(true)
    expect(endpoint.state()).toEqual({ condition: 'fine', text: `answers at 127.0.0.1:${port}` })
    expect(endpoint.counters().requests).toBe(2)
  })

  it('refuses what it does not serve, and counts each refusal', async () => {
    const { port, endpoint } = await opened()
    const of = async (line: string, headers?: string) => statusOf(await exchange(port, request(line, headers)))
    expect(await of('GET /other HTTP/1.1')).toBe(404)
    expect(await of('GET /constructor HTTP/1.1')).toBe(404)
    expect(await of('GET //here HTTP/1.1')).toBe(404)
    expect(await of('GET http://evil.example/here HTTP/1.1')).toBe(404)
    expect(await of('POST /here HTTP/1.1')).toBe(405)
    expect(await of('DELETE /here HTTP/1.1')).toBe(405)
    expect(await of(`GET /${'a'.repeat(600)} HTTP/1.1`)).toBe(414)
    expect(await of('GET /here HTTP/1.1', 'Host: 127.0.0.1\r\nContent-Length: 5\r\n')).toBe(413)
    expect(await of('GET /here HTTP/1.1', 'Host: evil.example\r\n')).toBe(421)
    expect(await of('GET /here HTTP/1.1', '')).toBe(400)
    expect(endpoint.counters()).toMatchObject({ refusedPaths: 4, refusedMethods: 2, badRequests: 2, refusedHosts: 1 })
  })

  it('survives what is no HTTP, and headers without end', async () => {
    const { port, endpoint } = await opened()
    expect(statusOf(await exchange(port, '\x16\x03\x01\x02\x00\x01\x00\r\n\r\n'))).toBe(400)
    expect(statusOf(await exchange(port, `GET /here HTTP/1.1\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`))).toBe(431)
    expect(
      statusOf(
        await exchange(port, 'GET /here HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\nContent-Length: 1\r\n\r\n'),
      ),
    ).toBe(400)
    expect(statusOf(await exchange(port, request('GET /here HTTP/1.1')))).toBe(200)
    expect(endpoint.counters().badRequests).toBeGreaterThanOrEqual(3)
  })

  it('lets go of who never ends a request', async () => {
    const { port } = await opened()
    expect(statusOf(await exchange(port, 'GET /here HTTP/1.1\r\nHost: 127.0.0.1\r\n'))).toBe(408)
  })

  it('answers so many a second and no more, and again when time has passed', async () => {
    const { port, endpoint } = await opened()
    const many = async (count: number): Promise<number[]> => {
      const got: number[] = []
      for (let n = 0; n < count; n++) got.push(statusOf(await exchange(port, request('GET /here HTTP/1.1'))))
      return got
    }
    const first = await many(25)
    expect(first.slice(0, 20).every((status) => status === 200)).toBe(true)
    expect(first.slice(20)).toEqual([429, 429, 429, 429, 429])
    await clock.advance(500)
    expect(await many(6)).toEqual([200, 200, 200, 200, 200, 429])
    expect(endpoint.counters().refusedRates).toBe(6)
  })

  it('takes only so many connections at once', async () => {
    const { port, endpoint } = await opened()
    const sockets = Array.from({ length: 40 }, () => connect(port, '127.0.0.1').on('error', () => {}))
    await until('connections beyond the limit to be refused', () => endpoint.counters().refusedConnections! >= 8)
    for (const socket of sockets) socket.destroy()
    await until('an answer', async () => statusOf(await exchange(port, request('GET /here HTTP/1.1'))) === 200)
  })

  it('tells nobody outside what went wrong inside', async () => {
    const { port, endpoint } = await opened()
    const got = await exchange(port, request('GET /broken HTTP/1.1'))
    expect(statusOf(got)).toBe(500)
    expect(got).not.toContain('secret')
    expect(endpoint.counters().faults).toBe(1)
    expect(said.join()).toContain('secret/path')
  })

  it('stands in the ledger: a page that hangs is seen', async () => {
    const { port } = await opened()
    const standing = () => ledger.standings().find(({ name }) => name === 'console endpoint')!
    await clock.advance(3_600_000)
    expect(standing().stalled).toBe(false)
    const socket = connect(port, '127.0.0.1')
    socket.write(request('GET /slow HTTP/1.1'))
    await until('the request', () => endpoints[0]!.counters().requests === 1)
    await clock.advance(61_000)
    expect(standing().stalled).toBe(true)
    socket.destroy()
    await endpoints.splice(0)[0]!.stop()
    expect(standing()).toBe(undefined)
  })
})

describe('an address that is taken', () => {
  it('is one warning with what to do, and is tried again until it is free', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    said = []
    const endpoint = new Endpoint({ clock, log, health: ledger, pages })
    endpoints.push(endpoint)
    await endpoint.configure({ host: '127.0.0.1', port })
    expect(said).toEqual([
      `warn the console endpoint is not open: 127.0.0.1:${port} is taken by another program: stop that, or give console.listen another port, or off; it is tried every 10 s`,
    ])
    expect(endpoint.state().condition).toBe('degraded')
    for (const failures of [2, 3]) {
      await clock.advance(10_000)
      await until('another try', () => endpoint.counters().listenFailures === failures)
    }
    expect(said).toHaveLength(1)
    await new Promise((resolve) => other.close(resolve))
    await until('the timer', () => clock.timers > 0)
    await clock.advance(10_000)
    await until('the endpoint', () => endpoint.state().condition === 'fine')
    expect(said[1]).toBe(`info the console endpoint answers at 127.0.0.1:${port}`)
    expect(statusOf(await exchange(port, request('GET /here HTTP/1.1')))).toBe(200)
  })

  it('can be changed, and switched off, while it runs', async () => {
    const { endpoint, port } = await opened()
    const next = await freePort()
    await endpoint.configure({ host: '127.0.0.1', port: next })
    expect(statusOf(await exchange(next, request('GET /here HTTP/1.1')))).toBe(200)
    expect(await exchange(port, request('GET /here HTTP/1.1'))).toBe('')
    await endpoint.configure(null)
    expect(await exchange(next, request('GET /here HTTP/1.1'))).toBe('')
    expect(endpoint.state().text).toBe('switched off in the configuration')
    await endpoint.configure({ host: '203.0.113.9', port: next })
    expect(said.at(-1)).toContain('this box has no address 203.0.113.9')
  })
})
