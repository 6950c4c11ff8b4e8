/** The LED language: what the four lights show for the state the gateway is in, and the sentence that goes with it: what, why,
 *  what to do. Pure. Of several causes the worst is shown (NAMUR NE 107): failure, check, out of specification, maintenance, fine. */
import type { ClockQuality } from '../contracts/clock.ts'
import type { ConnectionReport, DeviceReport, Light, LogReport, SinkReport } from '../contracts/report.ts'

export interface Facts {
  readonly connections: readonly ConnectionReport[]
  readonly devices: readonly DeviceReport[]
  readonly sinks: readonly SinkReport[]
  readonly log: LogReport
  /** Absent: running. */
  readonly phase?: 'starting' | 'running' | 'stopping'
  readonly clock?: ClockQuality
  /** Components that should have made progress and did not: the ledger's sentences. */
  readonly stalled?: readonly string[]
}

/** From these shares of the quota on NET blinks 1, 2, 3 and 4 times. */
const FILL_STEPS = [0.25, 0.5, 0.75, 0.9]
/** From here on the disk wants looking after. */
const NEARLY_FULL = 0.7

const OFF = { colour: 'off', pattern: 'off' } as const
const FINE = { colour: 'green', pattern: 'gap' } as const
const WAITING = { colour: 'green', pattern: 'blink' } as const
const DEGRADED = { colour: 'amber', pattern: 'long-on' } as const
const FAULT = { colour: 'red', pattern: 'blink' } as const
const PERSON = { colour: 'red', pattern: 'double' } as const
const FAILURE = { colour: 'red', pattern: 'steady' } as const

export function lights(facts: Facts): readonly Light[] {
  return [system(facts), bus(facts), net(facts), { role: 'HA', ...OFF, text: 'not used: a gateway of its own' }]
}

/** The second number of a connection's code on BUS. */
const BusReason = { notReached: 1, nobodyAnswers: 2 } as const

function system({ log, phase, clock, stalled = [] }: Facts): Light {
  const role = 'SYS'
  const { condition, text } = log.state
  const isFull = fill(log) >= FILL_STEPS[3]!
  if (condition === 'refused' || (condition === 'fault' && !isFull)) {
    return {
      role,
      ...PERSON,
      text: `the log: ${text}; look at the disk; once it takes records again the log goes on by itself`,
    }
  }
  if (stalled.length > 0) {
    const more = stalled.length > 1 ? ` (and ${stalled.length - 1} more)` : ''
    return { role, ...FAULT, text: `${stalled[0]}${more}; if it stays so, restart the service` }
  }
  if (phase === 'starting') return { role, ...WAITING, text: 'starting: wait until everything has been tried once' }
  if (phase === 'stopping') return { role, ...WAITING, text: 'stopping: what is under way is being brought to an end' }
  if (condition === 'fault')
    return { role, ...DEGRADED, text: `the log: ${text}; bring its sinks back or give it more room` }
  if (condition === 'degraded' || fill(log) >= NEARLY_FULL) {
    return { role, ...DEGRADED, text: `the log: ${text}; bring its sinks back or give it more room` }
  }
  if (clock === 'unsynced') {
    const text = 'the clock is not set: times are uncertain until a time server answers; if there is none,'
    return { role, ...DEGRADED, text: `${text} set the clock by hand (timedatectl set-ntp false, then set-time)` }
  }
  return { role, ...FINE, text: 'healthy' }
}

function bus({ connections, devices }: Facts): Light {
  const role = 'BUS'
  const asked = devices.filter((device) => device.enabled && device.groups > 0)
  if (asked.length === 0) return { role, ...WAITING, text: 'nothing is configured to read: add devices and apply' }
  const used = connections.flatMap((connection, at) => {
    const own = asked.filter((device) => device.connection === connection.name)
    return own.length === 0 ? [] : [{ connection, own, number: Math.min(at + 1, 9) }]
  })
  const missing = used.find(({ connection }) => connection.state.condition === 'refused')
  if (missing !== undefined) {
    const { name, state } = missing.connection
    return { role, ...FAILURE, text: `${name}: ${state.text}; somebody has to act` }
  }
  const lost = used.find(({ connection }) => connection.state.condition === 'fault')
  if (lost !== undefined) {
    const { name, state } = lost.connection
    const text = `${name}: ${state.text}; check cable, power and settings of the connection`
    return { role, colour: 'red', pattern: 'code', code: [lost.number, BusReason.notReached], text }
  }
  const silent = used.find(({ own }) => own.every((device) => device.answers === false))
  if (silent !== undefined) {
    const text = `nobody answers on ${silent.connection.name}: check power and wiring (A/B), then unit ids and baud rate`
    return { role, colour: 'red', pattern: 'code', code: [silent.number, BusReason.nobodyAnswers], text }
  }
  const away = asked.filter((device) => device.answers === false)
  if (away.length > 0) return { role, ...DEGRADED, text: `${absent(away)}; check its power, wiring and unit id` }
  const refusing = asked.find((device) => device.trouble !== undefined)
  if (refusing !== undefined) {
    const { name, trouble } = refusing
    return { role, ...DEGRADED, text: `${name} ${trouble}; correct "setup" or look at the device` }
  }
  const degraded = used.find(({ connection }) => connection.state.condition === 'degraded')
  if (degraded !== undefined) {
    return { role, ...DEGRADED, text: `${degraded.connection.name}: ${degraded.connection.state.text}` }
  }
  const unknown = asked.filter((device) => device.answers === null)
  if (unknown.length > 0) return { role, ...WAITING, text: `waiting for the first answer of ${unknown.length} devices` }
  return { role, ...FINE, text: asked.length === 1 ? 'the device answers' : `all ${asked.length} devices answer` }
}

function absent(away: readonly DeviceReport[]): string {
  const names = away
    .slice(0, 3)
    .map(({ name }) => name)
    .join(', ')
  const more = away.length > 3 ? ` and ${away.length - 3} more` : ''
  return `${names}${more} ${away.length === 1 ? 'does' : 'do'} not answer (${away[0]!.text})`
}

function net({ sinks, log }: Facts): Light {
  const role = 'NET'
  if (log.state.condition === 'fault' || log.state.condition === 'refused') {
    const todo = sinks.some(isDown) ? 'bring the sinks back' : 'look at the disk'
    return { role, ...FAILURE, text: `data is being lost: ${log.state.text}; ${todo}` }
  }
  if (sinks.length === 0) return { role, ...OFF, text: 'no sink is configured: readings are kept, nobody is sent them' }
  const refused = sinks.find(({ state }) => state.condition === 'refused')
  if (refused !== undefined) {
    const text = `${refused.name}: ${refused.state.text}; correct it in the configuration or at the other side`
    return { role, ...FAULT, text: `${text}; ${kept(log)}` }
  }
  const down = sinks.find(isDown)
  const blinks = FILL_STEPS.filter((step) => fill(log) >= step).length
  const behind = down ?? (blinks > 0 ? sinks.find(({ state }) => state.condition === 'waiting') : undefined)
  if (behind !== undefined) {
    const text = `${behind.name}: ${behind.state.text}; ${kept(log)}`
    return blinks === 0 ? { role, ...DEGRADED, text } : { role, colour: 'amber', pattern: 'code', code: [blinks], text }
  }
  const waiting = sinks.find(({ state }) => state.condition === 'waiting')
  if (waiting !== undefined) return { role, ...WAITING, text: `${waiting.name}: ${waiting.state.text}` }
  return { role, ...FINE, text: sinks.length === 1 ? 'the sink is up' : `all ${sinks.length} sinks are up` }
}

function isDown({ state }: SinkReport): boolean {
  return state.condition === 'fault' || state.condition === 'degraded'
}

function kept(log: LogReport): string {
  return `readings are kept, the log is ${Math.floor(fill(log) * 100)} % full`
}

function fill({ bytes, quotaBytes }: LogReport): number {
  return quotaBytes > 0 ? bytes / quotaBytes : 0
}
