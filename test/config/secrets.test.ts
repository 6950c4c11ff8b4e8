import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import * as catalog from '../../src/catalog.ts'
import { harmlessKeys, withoutSecrets } from '../../src/config/secrets.ts'

const folder = mkdtempSync(join(tmpdir(), 'fieldgate-secrets-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const harmless = harmlessKeys(await catalog.kinds())
const hide = (text: string, env: NodeJS.ProcessEnv = {}) =>
  withoutSecrets(text, { folder, environments: [env], harmless })

describe('a configuration that is shown to others', () => {
  it('keeps its lines and its structure, and what cannot be a secret', () => {
    const text = `# ask Bob for the password
gateway: { id: gw-01, site: ulm }
connections:
  plc: { driver: modbus-tcp, host: 10.0.0.7, port: 502 } # in the cabinet
devices:
  oven:
    connection: plc
    unitId: 1
    labels: { place: "third hall" }
    groups: { g: { every: 1s, tags: { t: { address: "40001", type: int16, enum: { 0: "off", 1: on } } } } }
sinks:
  a:
    type: mqtt
    url: mqtts://eve:s3cret@broker.plant:8883
    password: \${env:PW}
    tls: { ca: /etc/ssl/ca.pem, key: |
      -----BEGIN PRIVATE KEY-----
      MIGHAgEAMBMGByqGSM49AgEG
      -----END PRIVATE KEY-----
      }
    topic: "x/{device}"
`
    const { text: shown } = hide(text.replace(/, key: \|\n[^}]*\}/, ' }'), { PW: 'from-env' })
    expect(shown).toBe(`#
gateway: { id: gw-01, site: ulm }
connections:
  plc: { driver: modbus-tcp, host: 10.0.0.7, port: 502 } #
devices:
  oven:
    connection: plc
    unitId: 1
    labels: { place: «removed» }
    groups: { g: { every: 1s, tags: { t: { address: "40001", type: int16, enum: { 0: "off", 1: on } } } } }
sinks:
  a:
    type: mqtt
    url: "mqtts://«removed»@broker.plant:8883"
    password: \${env:PW}
    tls: { ca: /etc/ssl/ca.pem }
    topic: "x/{device}"
`)
  })

  it('has the same number of lines where a text of several goes', () => {
    const text =
      'sinks:\n  a:\n    tls:\n      key: |\n        -----BEGIN PRIVATE KEY-----\n        MIGHAgEAMBMGByqGSM49AgEG\n        -----END PRIVATE KEY-----\n    type: mqtt\n'
    const { text: shown, secrets } = hide(text)
    expect(shown.split('\n')).toHaveLength(text.split('\n').length)
    expect(shown).toContain('    type: mqtt')
    expect([...secrets]).toContain('MIGHAgEAMBMGByqGSM49AgEG')
    expect(parse(shown)).toMatchObject({ sinks: { a: { type: 'mqtt', tls: { key: '«removed»' } } } })
  })

  it('tells what it hides: what a reference stands for, the default of one, parts of an address, a key’s file', () => {
    writeFileSync(join(folder, 'pw'), 'in-a-file\n')
    writeFileSync(
      join(folder, 'key.pem'),
      '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGXX\n-----END PRIVATE KEY-----\n',
    )
    const { secrets, text } = hide(
      `x-own: { pw: &pw of-the-author }
sinks:
  a: { type: mqtt, url: "mqtt://eve:p%40ss@h?token=t0k&n=1", password: "\${env:PW:-preset}" }
  b: { type: mqtt, url: "\${env:URL}", password: "\${file:pw}", tls: { key: key.pem } }
  c: { type: mqtt, url: "mqtt://\${env:WHO}:\${env:PW}@h", password: *pw }
`,
      { PW: 'in-env', URL: 'mqtt://u:in-url@h', WHO: 'user-4711-abc' },
    )
    for (const secret of [
      'p%40ss',
      'p@ss',
      't0k',
      'preset',
      'in-env',
      'in-url',
      'in-a-file',
      'of-the-author',
      'user-4711-abc',
      'MIGHAgEAMBMGByqGSM49AgEGXX',
    ]) {
      expect(secrets, secret).toContain(secret)
      expect(text).not.toContain(secret)
    }
    // Words that stand everywhere are not looked for.
    for (const word of ['eve', 'u', '1', 'mqtt', 'h']) expect(secrets).not.toContain(word)
    expect(text).toContain('"${env:PW:-«removed»}"')
    expect(text).toContain('password: "${file:pw}"')
  })

  it('shows nothing but the keys of a file that is no YAML', () => {
    const { text, secrets } = hide('sinks:\n  a: { password: hunter2-hunter2\n    url: mqtt://x\n  some more}\n')
    expect(text).toBe('sinks: «removed»\n  a: «removed»\n    url: «removed»\n«removed»\n')
    expect(secrets).toContain('hunter2-hunter2')
  })

  it('hides whatever stands at a key that no schema has, or that is misspelt', () => {
    for (const key of ['pasword', 'apiToken', 'Password', 'PASSWORD', 'note', 'x', 'user', 'clientId', 'template']) {
      expect(hide(`sinks: { a: { type: mqtt, ${key}: "hunter2 hunter2" } }`).text, key).not.toContain('hunter2')
    }
    expect(hide('sinks: { a: { pasword: 12345678 } }').text).not.toContain('12345678')
  })

  it('never shows a password, however it is written', () => {
    const plain = fc.stringMatching(/^[A-Za-z0-9!$%&()*+,./:;<=>?@^_~-]{8,24}$/)
    fc.assert(
      fc.property(plain, fc.constantFrom('"', "'"), fc.boolean(), (secret, quote, block) => {
        const written = block ? `|\n      ${secret}\n` : `${quote}${secret}${quote}\n`
        const { text, secrets } = hide(`sinks:\n  a:\n    type: mqtt\n    password: ${written}    qos: 1\n`)
        expect(text).not.toContain(secret)
        expect([...secrets].some((one) => one.trim() === secret)).toBe(true)
        expect(text).toContain('qos: 1')
      }),
    )
  })

  it('hides the codes that devices are unlocked with', () => {
    const { text } = hide('devices: { d: { connection: c, setup: [{ address: "40001", type: uint16, value: 4711 }] } }')
    expect(text).toContain('setup: [{ address: "40001", type: uint16, value: «removed» }]')
  })

  it('keeps the keys of every schema but those of secrets', () => {
    for (const key of [
      'driver',
      'host',
      'port',
      'baudRate',
      'unitId',
      'address',
      'every',
      'topic',
      'qos',
      'listen',
      'servername',
    ]) {
      expect(harmless.has(key), key).toBe(true)
    }
    for (const key of ['password', 'username', 'passphrase', 'key', 'cert', 'clientId', 'labels', 'template']) {
      expect(harmless.has(key), key).toBe(false)
    }
  })
})
