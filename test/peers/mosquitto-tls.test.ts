/** TLS with mosquitto: authorities, names and client certificates, made by openssl for each run. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Retryable } from '../../src/contracts/errors.ts'
import type { MqttSink } from '../../src/northbound/mqtt/sink.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { batchOf, configuredSink, entryOf, groupOf } from '../northbound/mqtt/configured.ts'
import { absentMosquitto, type Mosquitto, mosquitto } from './mosquitto.ts'

if (absentMosquitto.length > 0) console.error(`SKIPPED: TLS with mosquitto, for want of ${absentMosquitto.join(', ')}`)

const never = new AbortController().signal
const entries = [entryOf(1, batchOf(groupOf([{ name: 'a' }]), [1]))]

describe.skipIf(absentMosquitto.length > 0)('the MQTT sink and mosquitto over TLS', () => {
  let folder: string
  let broker: Mosquitto | undefined
  let sink: MqttSink | undefined
  const file = (name: string): string => join(folder, name)
  const openssl = (...words: string[]): void => {
    execFileSync('/usr/bin/openssl', words, { cwd: folder, stdio: 'ignore' })
  }
  const authority = (name: string): void => {
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`)
    openssl('req', '-x509', '-new', '-key', `${name}.key`, '-subj', `/CN=${name}`, '-days', '2', '-out', `${name}.pem`)
  }
  const certificate = (name: string, by: string, alternatives: string): void => {
    writeFileSync(file(`${name}.ext`), `subjectAltName=${alternatives}\n`)
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`)
    openssl('req', '-new', '-key', `${name}.key`, '-subj', `/CN=${name}`, '-out', `${name}.csr`)
    const signed = ['-CA', `${by}.pem`, '-CAkey', `${by}.key`, '-CAcreateserial', '-extfile', `${name}.ext`]
    openssl('x509', '-req', '-in', `${name}.csr`, ...signed, '-days', '2', '-out', `${name}.pem`)
  }

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'fieldgate-tls-'))
    authority('plant')
    authority('stranger')
    certificate('broker', 'plant', 'IP:127.0.0.1')
    certificate('elsewhere', 'plant', 'DNS:broker.plant.example')
    certificate('gateway', 'plant', 'DNS:gateway')
    certificate('intruder', 'stranger', 'DNS:intruder')
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  afterEach(async () => {
    await sink?.stop()
    await broker?.dispose()
    sink = broker = undefined
  })

  const brokerWith = async (name: string, ...lines: string[]): Promise<void> => {
    const keys = [`cafile ${file('plant.pem')}`, `certfile ${file(`${name}.pem`)}`, `keyfile ${file(`${name}.key`)}`]
    broker = await mosquitto([...keys, 'allow_anonymous true', ...lines])
  }
  const sinkWith = async (tls: object | undefined, keys: object = {}): Promise<MqttSink> => {
    const url = `mqtts://127.0.0.1:${broker!.port}`
    sink = configuredSink({ clock: new SystemClock(), keys: { url, ...(tls ? { tls } : {}), ...keys } }).sink
    await sink.start()
    return sink
  }
  const delivered = async (...given: Parameters<typeof sinkWith>): Promise<void> => {
    const one = await sinkWith(...given)
    expect(await one.deliver(entries, { historical: false }, never)).toEqual({ rejected: [] })
  }
  /** Until it is connected, or refused by somebody. */
  const refused = async (...given: Parameters<typeof sinkWith>): Promise<string> => {
    const one = await sinkWith(...given)
    await expect(one.deliver(entries, { historical: false }, never)).rejects.toBeInstanceOf(Retryable)
    expect(one.state().condition).toBe('refused')
    return one.state().text.replace(String(broker!.port), 'PORT')
  }

  it.each(['5', '3.1.1'])('delivers over MQTT %s to a broker whose authority it knows', async (version) => {
    await brokerWith('broker')
    await delivered({ ca: file('plant.pem') }, { version })
  })

  it('takes the authority as a text too', async () => {
    await brokerWith('broker')
    await delivered({ ca: readFileSync(file('plant.pem'), 'utf8') })
  })

  it.each([undefined, 'stranger.pem'])('refuses a broker whose authority it does not know (%s)', async (name) => {
    await brokerWith('broker')
    expect(await refused(name === undefined ? undefined : { ca: file(name) })).toBe(
      'the certificate of 127.0.0.1:PORT is signed by an authority that we do not know: set tls.ca',
    )
  })

  it('refuses a broker with a certificate for another name, unless that name is expected', async () => {
    await brokerWith('elsewhere')
    expect(await refused({ ca: file('plant.pem') })).toBe(
      'the certificate of 127.0.0.1:PORT is for another name: use that name in the url, or set tls.servername',
    )
    await sink!.stop()
    await delivered({ ca: file('plant.pem'), servername: 'broker.plant.example' })
  })

  it('takes any certificate where it is told not to verify', async () => {
    await brokerWith('elsewhere')
    await delivered({ verify: false })
  })

  it.each(['5', '3.1.1'])('shows its own certificate over MQTT %s', async (version) => {
    await brokerWith('broker', 'require_certificate true')
    await delivered({ ca: file('plant.pem'), cert: file('gateway.pem'), key: file('gateway.key') }, { version })
  })

  it('says that the broker does not accept its certificate, or wants one', async () => {
    await brokerWith('broker', 'require_certificate true')
    const text = '127.0.0.1:PORT does not accept our certificate: check tls.cert and tls.key'
    expect(await refused({ ca: file('plant.pem') })).toBe(text)
    await sink!.stop()
    expect(await refused({ ca: file('plant.pem'), cert: file('intruder.pem'), key: file('intruder.key') })).toBe(text)
  })

  it('says that the key does not belong to the certificate', async () => {
    await brokerWith('broker', 'require_certificate true')
    expect(await refused({ ca: file('plant.pem'), cert: file('gateway.pem'), key: file('intruder.key') })).toMatch(
      /127\.0\.0\.1:PORT: .*key values mismatch/,
    )
  })

  it('says that there is no TLS at the port', async () => {
    broker = await mosquitto()
    const one = await sinkWith({ ca: file('plant.pem') })
    await expect(one.deliver(entries, { historical: false }, never)).rejects.toBeInstanceOf(Retryable)
    expect(one.state().text).not.toBe('')
  })

  it('takes a renewed authority up by itself', async () => {
    await brokerWith('broker')
    writeFileSync(file('renewed.pem'), readFileSync(file('stranger.pem')))
    await refused({ ca: file('renewed.pem') })
    writeFileSync(file('renewed.pem'), readFileSync(file('plant.pem')))
    await sink!.ready(never)
    expect(await sink!.deliver(entries, { historical: false }, never)).toEqual({ rejected: [] })
  })
})
