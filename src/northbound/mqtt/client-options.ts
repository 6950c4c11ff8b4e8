/** What the library is told: how to connect, and to leave queueing and reconnecting to us. */
import { readFileSync } from 'node:fs'
import type { IClientOptions } from 'mqtt'
import { Reason } from '../../contracts/batch.ts'
import { Retryable } from '../../contracts/errors.ts'
import { contradictions } from './contradictions.ts'
import { NO_STORE } from './no-store.ts'
import type { MqttSettings } from './schema.ts'

/** The longest packet that MQTT 5 brokers may send us: requests are read up to 64 KiB, and topic and properties are beside. */
export const LONGEST_HEARD = 128 * 1024

/** Throws Retryable when a file of the certificates cannot be read, or keys contradict each other. */
export function clientOptions(settings: MqttSettings, clientId: string): IClientOptions {
  const { version, username, password, tls, keepAlive, connectTimeout } = settings
  const [contradiction] = contradictions(settings)
  if (contradiction !== undefined) throw unfit(contradiction.text)
  return {
    protocolVersion: version === '5' ? 5 : 4,
    clientId,
    keepalive: Math.max(1, Math.round(keepAlive / 1000)),
    connectTimeout,
    clean: true,
    // The library's own reconnecting, queueing and storing would send behind the log's back.
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    outgoingStore: NO_STORE,
    // Its cache of every two-byte number costs 9 MB, and its tracing a few formatted calls a message.
    writeCache: false,
    log: () => {},
    ...(version === '5' ? { properties: { maximumPacketSize: LONGEST_HEARD } } : {}),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined
      ? {}
      : {
          ...pem('ca', tls.ca),
          ...pem('cert', tls.cert),
          ...pem('key', tls.key),
          ...(tls.passphrase === undefined ? {} : { passphrase: tls.passphrase }),
          ...(tls.servername === undefined ? {} : { servername: tls.servername }),
          rejectUnauthorized: tls.verify,
        }),
  }
}

function unfit(text: string): Retryable {
  return new Retryable(text, { reason: Reason.noConnection })
}

/** A file's content, or the text itself where it is one. Read at each attempt: a renewed certificate is taken up. */
function pem(key: 'ca' | 'cert' | 'key', given: string | undefined): Record<string, Buffer | string> {
  if (given === undefined) return {}
  if (given.includes('-----BEGIN')) return { [key]: given }
  try {
    return { [key]: readFileSync(given) }
  } catch {
    throw unfit(`tls.${key}: the file ${given} cannot be read`)
  }
}
