/** Why a device does not answer: what was found out, to the one sentence and the one thing to do. Pure; the tree of the
 *  questions is walked from the wire up. */

export interface Evidence {
  readonly device: string
  readonly unit: number
  readonly kind: 'rtu' | 'tcp' | 'rtu-over-tcp'
  /** The port or the address: `rs485-1`, `10.0.0.7:502`. */
  readonly where: string
  /** The settings of a serial line, `19200 8E1`. */
  readonly line: string | null
  readonly enabled: boolean
  /** Why there is no connection; null: there is one. */
  readonly trouble: string | null
  /** Whether the question left; null: none was asked. */
  readonly sent: boolean | null
  /** What became of it; `unasked`: the door is shut. */
  readonly answer: 'answer' | 'exception' | 'damaged' | 'silent' | 'nobody' | 'unasked'
  /** With exceptions and `nobody`. */
  readonly exception: number | null
  /** What the poller says, when nothing may be asked. */
  readonly attendance: { readonly answers: boolean | null; readonly text: string }
  /** This connection only listens to another master. */
  readonly listens: boolean
  /** A unit that answered in its place. */
  readonly impostor: number | null
  readonly collided: boolean
  /** Questions of another master were heard. */
  readonly otherMaster: boolean
  /** Other settings of the line at which it answered. */
  readonly otherLine: string | null
  /** Other configured devices on this connection, and which of them answer or come damaged. */
  readonly neighbours: {
    readonly asked: number
    readonly answering: readonly string[]
    readonly damaged: readonly string[]
  }
  /** Units that answer and that nobody configured. */
  readonly strangers: readonly number[]
  readonly refusal: Refusal | null
  readonly odd: Odd | null
}

export interface Refusal {
  readonly exception: number
  /** `40001–40020`. */
  readonly request: string
  /** Tags that are refused when they are asked for alone; empty: each alone is answered. */
  readonly tags: readonly string[]
  /** Addresses near the first of them that are answered, the likeliest first. */
  readonly offers: readonly { readonly address: string; readonly how: 'lower' | 'higher' | 'other area' }[]
}

/** A value that is implausible where another order of its bytes is plausible. */
export interface Odd {
  readonly tag: string
  readonly type: string
  readonly text: string
  readonly order: string
  readonly instead: string
}

export interface Verdict {
  /** The branch of the tree. */
  readonly branch: string
  readonly sentence: string
  readonly action: string
}

export function diagnose(evidence: Evidence): Verdict {
  return (
    switchedOff(evidence) ??
    noConnection(evidence) ??
    notAsked(evidence) ??
    noFrame(evidence) ??
    behindGateway(evidence) ??
    silent(evidence) ??
    damaged(evidence) ??
    refused(evidence) ??
    oddValue(evidence) ??
    verdict('answers', `${evidence.device} answers all that is configured for it`, 'Nothing needs to be done.')
  )
}

function verdict(branch: string, sentence: string, action: string): Verdict {
  return { branch, sentence, action }
}

function switchedOff({ enabled, device }: Evidence): Verdict | null {
  if (enabled) return null
  const sentence = `${device} is switched off in the configuration and is never asked`
  return verdict('switched off', sentence, `Remove "enabled: false" of device ${device} and apply the file.`)
}

/** What our own sentences about ports and sockets mean, by what there is to do. */
const TROUBLES: readonly (readonly [RegExp, string, (evidence: Evidence) => string])[] = [
  [
    /in use by another/,
    'port busy',
    ({ where, trouble }) => {
      const remedy = /in use by another[^:]*: (.+)$/.exec(trouble ?? '')?.[1]
      return remedy === undefined ? `Stop the other program that uses ${where}.` : `Free ${where}: ${remedy}.`
    },
  ],
  [
    /transmitter/,
    'no direction',
    ({ where }) =>
      `Correct "rs485" of the connection on ${where}: mode adapter if the hardware switches by itself, gpio with its line, or the port's driver in the device tree.`,
  ],
  [
    /may not be|permission/,
    'port forbidden',
    ({ where }) => `Give the service the right to open ${where} (group dialout).`,
  ],
  [
    /is not there|unplugged|no port|no serial port|no hardware/,
    'port missing',
    ({ where }) => `Plug the adapter in, or set "port" to one that "ls /dev/serial/by-id" shows instead of ${where}.`,
  ],
  [
    /name is not known|name cannot be looked up/,
    'name unknown',
    () => 'Correct "host", or give its IP address instead.',
  ],
  [
    /refuses the connection/,
    'refused',
    ({ where }) => `Check "port" (${where}) and that Modbus TCP is switched on in the device.`,
  ],
  [/cannot be reached/, 'unreachable', () => 'Check the network cable, this box’s address and the network mask.'],
  [
    /does not answer/,
    'host silent',
    ({ where }) => `Check that the device at ${where} has power, its address, and any firewall in between.`,
  ],
]

function noConnection(evidence: Evidence): Verdict | null {
  const { trouble, kind } = evidence
  if (trouble === null) return null
  const known = TROUBLES.find(([pattern]) => pattern.test(trouble))
  if (known !== undefined) return verdict(known[1], trouble, known[2](evidence))
  const action = kind === 'rtu' ? 'Check the adapter and its cable.' : 'Check the device and the network.'
  return verdict('no connection', trouble, action)
}

function notAsked({ answer, attendance, device, listens, where }: Evidence): Verdict | null {
  if (answer !== 'unasked') return null
  if (attendance.answers === true) {
    return verdict('answers', `${device} answers the polling`, 'Nothing needs to be done.')
  }
  if (listens) {
    const sentence = `${where} only listens, and ${device} is not heard (${attendance.text})`
    return verdict('not heard', sentence, `Look with "fieldgate trace" whether the other master asks ${device} at all.`)
  }
  const said = attendance.answers === null ? 'it has not been asked yet' : attendance.text
  return verdict(
    'door shut',
    `${device} does not answer (${said}); the door is shut, so nothing was asked to find out more`,
    'Allow commands in the configuration for as long as this takes, and ask again.',
  )
}

function noFrame({ sent, where, device }: Evidence): Verdict | null {
  if (sent !== false) return null
  const sentence = `${where} is open, but the question to ${device} did not leave it`
  return verdict('not sent', sentence, 'Unplug the adapter, plug it in again, and look at its driver.')
}

function behindGateway({ answer, exception, device, unit, where }: Evidence): Verdict | null {
  if (answer !== 'nobody') return null
  if (exception === 10) {
    const sentence = `the gateway at ${where} answers, but has no path to unit ${unit} (exception 10)`
    return verdict(
      'gateway path',
      sentence,
      `Set up unit ${unit} in the far gateway, or correct "unitId" of ${device}.`,
    )
  }
  const sentence = `the gateway at ${where} answers, but ${device} (unit ${unit}) does not answer the gateway (exception 11)`
  const action = `Check the serial side of the far gateway: power of ${device}, its wiring, baud rate and parity there.`
  return verdict('gateway target', sentence, action)
}

function silent(evidence: Evidence): Verdict | null {
  const { answer, device, unit, where, line, kind, neighbours, strangers, impostor, otherLine } = evidence
  if (answer !== 'silent') return null
  if (impostor !== null) {
    const sentence = `unit ${impostor} answers when unit ${unit} (${device}) is asked`
    return verdict(
      'impostor',
      sentence,
      `Set "unitId: ${impostor}" for ${device}, or "checkUnit: false" on the connection.`,
    )
  }
  if (otherLine !== null) {
    const sentence = `${device} answers at ${otherLine}, and not at ${line}, which is set for ${where}`
    return verdict('baud or parity', sentence, `Set ${where} to ${otherLine}, or the device to ${line}.`)
  }
  if (strangers.length > 0) {
    const units = strangers.join(', ')
    const sentence = `unit ${unit} (${device}) is silent, but unit ${units} answers and is nobody’s`
    return verdict(
      'unit id',
      sentence,
      `Look at the unit id set in ${device}: is it ${units}? Then set "unitId: ${strangers[0]}".`,
    )
  }
  const { answering } = neighbours
  if (answering.length > 0) {
    const others = `${list(answering)} on the same ${kind === 'tcp' ? 'connection' : 'line'} ${answering.length === 1 ? 'answers' : 'answer'}`
    const sentence = `nothing comes from ${device} (unit ${unit}), while ${others}`
    return verdict(
      'device dead',
      sentence,
      `Check the power of ${device}, its unit id, and its own branch of the wiring.`,
    )
  }
  if (kind === 'tcp') {
    const sentence = `${where} takes the connection, but nothing answers unit ${unit} there`
    return verdict('unit silent', sentence, `Check the unit id of ${device}: many devices on TCP want 1, 0 or 255.`)
  }
  const far = kind === 'rtu-over-tcp'
  const sentence = `our question leaves ${where}, and not one byte comes back from anybody`
  const settings = far ? 'the converter’s baud rate and parity' : 'the device’s baud rate and parity'
  return verdict('line dead', sentence, `Swap A and B; then check power, the common wire, and ${settings}.`)
}

function damaged(evidence: Evidence): Verdict | null {
  const { answer, device, unit, where, line, neighbours, otherLine, otherMaster, collided } = evidence
  if (answer !== 'damaged') return null
  if (otherLine !== null) {
    const sentence = `${device} answers cleanly at ${otherLine}; ${where} is set to ${line}`
    return verdict('baud or parity', sentence, `Set ${where} to ${otherLine}, or the device to ${line}.`)
  }
  if (otherMaster) {
    const sentence = `another master asks on ${where}, and both talk at once`
    return verdict(
      'two masters',
      sentence,
      'Take the other master off the line, or set "masters: shared" on the connection.',
    )
  }
  if (neighbours.answering.length > 0) {
    const sentence = `only the answers of unit ${unit} come damaged, while ${list(neighbours.answering)} can be read`
    return verdict(
      'two devices share it',
      sentence,
      `Switch ${device} off: if unit ${unit} then answers, another device has its id, too.`,
    )
  }
  if (collided) {
    const sentence = `what is sent on ${where} comes back changed: somebody talks at the same time`
    return verdict('two masters', sentence, 'Look for a second master, or a device that sends by itself.')
  }
  const sentence = `bytes come back on ${where}, but no answer of anybody is whole`
  return verdict(
    'noise',
    sentence,
    'Fit 120 Ω at both ends of the line and nowhere else, and connect the shield at one end.',
  )
}

function refused({ refusal, device }: Evidence): Verdict | null {
  if (refusal === null) return null
  const { exception, request, tags, offers } = refusal
  const [offer] = offers
  const what = tags.length === 0 ? request : list(tags)
  if (exception !== 1 && exception !== 2 && exception !== 3) {
    const sentence = `${device} is there, but fails at ${request} (exception ${exception})`
    return verdict('device fault', sentence, `Look at ${device} itself: it reports a failure of its own or is busy.`)
  }
  if (tags.length === 0) {
    const sentence = `${device} refuses ${request} as one request (exception ${exception}), and answers its tags one by one`
    return verdict('too much at once', sentence, `Set a smaller "maxRegisters" for ${device}, or "maxGap: 0".`)
  }
  const why =
    exception === 1 ? 'does not know the function for' : exception === 2 ? 'has no such address for' : 'refuses'
  const sentence = `${device} ${why} ${what} (exception ${exception})${offer === undefined ? '' : `, but answers ${offer.address}`}`
  if (offer?.how === 'other area') {
    return verdict('other area', sentence, `Write ${offer.address} instead: the value is in the other area.`)
  }
  if (offer !== undefined) {
    const action = `Compare with the device’s manual: are its addresses counted from ${offer.how === 'lower' ? '1' : '0'}? Then write ${offer.address}.`
    return verdict('off by one', sentence, action)
  }
  return verdict(
    'no such address',
    sentence,
    `Take ${what} out of the configuration, or look its address up in the manual.`,
  )
}

function oddValue({ odd, device }: Evidence): Verdict | null {
  if (odd === null) return null
  const sentence = `${device} answers, but ${odd.tag} reads ${odd.text}; with the bytes as ${odd.order} it is ${odd.instead}`
  return verdict(
    'odd value',
    sentence,
    `Set "order: ${odd.order}" for ${odd.tag}, or for the device if it is so everywhere.`,
  )
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 3)
  const more = names.length - shown.length
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ')
}
