/** Why there is no connection, in one sentence that says what to do. Pure. */
import type { State } from '../../contracts/component.ts'

export interface Refusal {
  readonly text: string
  /** It will not pass by itself. */
  readonly byPerson: boolean
  readonly cause?: State['cause'] & string
}

interface Whom {
  readonly host: string
  readonly username: string | undefined
  readonly clientId: string
}

/** `trouble`: an error of the library or of the socket, or the reason code of a DISCONNECT. */
export function refusal(trouble: unknown, { host, username, clientId }: Whom): Refusal {
  const { code, message = '' } = (trouble ?? {}) as { code?: string | number; message?: string }
  const person = (text: string): Refusal => ({ text, byPerson: true })
  const passing = (text: string): Refusal => ({ text, byPerson: false })
  const who = username === undefined ? 'this client, which gives no username' : `user "${username}"`
  switch (code) {
    // MQTT 3.1.1, 3.2.2.3, and MQTT 5, 3.2.2.2 and 3.14.2.1.
    case 1:
    case 0x84:
      return person(`${host} does not speak this version of MQTT: set version: "3.1.1" or "5"`)
    case 2:
    case 0x85:
      return person(`${host} does not accept the client id "${clientId}": set another clientId`)
    case 3:
    case 0x88:
      return passing(`${host} says that it is unavailable`)
    case 4:
    case 0x86:
      return person(`${host} refuses ${who}: check username and password`)
    case 5:
    case 0x87:
      return person(`${host} does not authorise ${who}: check username, password and the broker’s rules`)
    case 0x89:
      return passing(`${host} is busy`)
    case 0x8a:
      return person(`${host} has banned the client "${clientId}"`)
    case 0x8b:
      return passing(`${host} is shutting down`)
    case 0x8d:
      return passing(`${host} heard nothing from us in time`)
    case 0x8e:
      return person(
        `another client with the id "${clientId}" has taken the session at ${host}: give each its own clientId`,
      )
    case 0x95:
      return person(`${host} does not take packets of this size`)
    case 0x97:
      return passing(`${host} says that a quota is exceeded`)
    case 0x9c:
    case 0x9d:
      return person(`${host} wants us at another server`)
    case 'ECONNREFUSED':
      return { ...passing(`nothing listens at ${host}: is the broker running, and the port right?`), cause: 'refused' }
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return { ...passing(`the name of ${host} is not found: check the name and the DNS server`), cause: 'name' }
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return passing(`there is no way to ${host}: check cable, address and gateway`)
    case 'ECONNRESET':
    case 'EPIPE':
    case 'CLOSED':
      return passing(`${host} closed the connection`)
    case 'ETIMEDOUT':
      return passing(`${host} does not answer`)
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return person(`the certificate of ${host} is signed by an authority that we do not know: set tls.ca`)
    case 'CERT_HAS_EXPIRED':
      return person(`the certificate of ${host} has expired, or our clock is wrong`)
    case 'CERT_NOT_YET_VALID':
      return person(`the certificate of ${host} is not valid yet: is our clock right?`)
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return person(`the certificate of ${host} is for another name: use that name in the url, or set tls.servername`)
    default:
  }
  if (
    /alert.*(certificate|handshake)/i.test(message) ||
    /CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA/i.test(String(code))
  ) {
    return person(`${host} does not accept our certificate: check tls.cert and tls.key`)
  }
  if (/wrong version number|EPROTO/i.test(`${message} ${String(code)}`)) {
    return person(`${host} does not speak TLS at this port: use mqtt:// or another port`)
  }
  if (/connack timeout|keepalive timeout/i.test(message)) return passing(`${host} does not answer`)
  return passing(`${host}: ${message === '' ? `reason ${String(code)}` : message}`)
}
