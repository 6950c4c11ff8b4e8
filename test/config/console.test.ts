import { describe, expect, it } from 'vitest'
import { diff } from '../../src/config/diff.ts'
import { listenIn } from '../../src/config/listen.ts'
import { complaints, loadText, valid } from './loading.ts'

const ONE_WAY = 'sinks: { s: { type: mqtt, url: "mqtt://a", commands: none } }\n'

async function notices(text: string): Promise<readonly string[]> {
  const loaded = await loadText(text)
  return loaded.ok ? loaded.notices : []
}

describe('the address of the console', () => {
  it('is on loopback where nothing is said, and there is none where it is off', async () => {
    expect((await valid('')).console.listen).toEqual({ host: '127.0.0.1', port: 8080 })
    expect((await valid('console: {}')).console.listen).toEqual({ host: '127.0.0.1', port: 8080 })
    expect((await valid('console: { listen: off }')).console.listen).toBe(null)
    expect((await valid('console: { listen: false }')).console.listen).toBe(null)
  })

  it('is none where the gateway is one-way, unless it is stated, and that is warned of', async () => {
    expect((await valid(ONE_WAY)).console.listen).toBe(null)
    expect(await notices(ONE_WAY)).toEqual([])
    const stated = `${ONE_WAY}console: { listen: "127.0.0.1:9000" }`
    expect((await valid(stated)).console.listen).toEqual({ host: '127.0.0.1', port: 9000 })
    expect(await notices(stated)).toEqual([
      'console.listen: the gateway is one-way, and this opens a port on it; leave it out to have none',
    ])
  })

  it('may be another interface, which is warned of', async () => {
    for (const host of ['0.0.0.0', '10.0.0.7', '', '[::]', 'gateway.plant']) {
      expect((await valid(`console: { listen: "${host}:8080" }`)).console.listen).toEqual({
        host: host.replace(/[[\]]/g, ''),
        port: 8080,
      })
      expect(await notices(`console: { listen: "${host}:8080" }`)).toEqual([
        expect.stringContaining('without a password'),
      ])
    }
    for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '[::1]']) {
      expect(await notices(`console: { listen: "${host}:8080" }`)).toEqual([])
    }
  })

  it('is refused in any other form', async () => {
    for (const wrong of ['8080', '"8080"', '"127.0.0.1"', '"::1:8080"', 'true', '"a b:80"', '"http://a:80"']) {
      expect((await complaints(`console: { listen: ${wrong} }`)).join(), wrong).toContain(
        'expected an address and a port',
      )
    }
    for (const wrong of ['"127.0.0.1:0"', '"127.0.0.1:70000"']) {
      expect((await complaints(`console: { listen: ${wrong} }`)).join(), wrong).toContain('a port from 1 to 65535')
    }
    expect((await complaints('console: { lissen: off }')).join()).toContain('did you mean "listen"')
  })

  it('is a component of its own in what a new file would change', async () => {
    const changes = diff(await valid(''), await valid('console: { listen: off }'))
    expect(changes.find(({ component }) => component === 'console')).toMatchObject({
      change: 'restarted',
      keys: ['listen'],
    })
  })
})

describe('the address as a process reads it that loads no schema', () => {
  const inFile = async (text: string, env: NodeJS.ProcessEnv = {}) => {
    let found: ReturnType<typeof listenIn>
    await loadText(text, { look: (file) => (found = listenIn(file, env)) })
    return found
  }

  it('is that of the configuration, whatever else is wrong with the file', async () => {
    for (const text of [
      '',
      ONE_WAY,
      'console: { listen: off }',
      'console: { listen: "[::1]:9000" }',
      `${ONE_WAY}console: { listen: ":80" }`,
    ]) {
      expect(await inFile(text), text).toEqual((await valid(text)).console.listen)
    }
    expect(await inFile('console: { listen: "${env:AT}" }\nconnections: 7', { AT: '10.0.0.1:81' })).toEqual({
      host: '10.0.0.1',
      port: 81,
    })
    expect(await inFile('sinks: { s: { type: nothing, password: "${env:MISSING}" } }')).toEqual({
      host: '127.0.0.1',
      port: 8080,
    })
  })

  it('is not guessed', async () => {
    for (const text of [
      'console: {{',
      'console: { listen: 8080 }',
      'console: { listen: "a:0" }',
      'console: { listen: "${env:MISSING}" }',
    ]) {
      expect(await inFile(text), text).toBe(undefined)
    }
    expect(listenIn('/nowhere/gateway.yaml')).toBe(undefined)
  })
})
