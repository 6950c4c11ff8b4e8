/** The LED language: what the four lights show for the state the gateway is in, and the sentence that goes with it. Pure. The
 *  worst applies first (NAMUR NE 107): failure, check, out of specification, maintenance, fine. */
import type { ConnectionReport, DeviceReport, Light, LogReport, SinkReport } from '../contracts/report.ts'

export interface Facts {
  readonly connections: readonly ConnectionReport[]
  readonly devices: readonly DeviceReport[]
  readonly sinks: readonly SinkReport[]
  readonly log: LogReport
}

/** Shares of the quota from which NET blinks 1, 2, 3 and 4 times. */
const FILL_STEPS = [0.25, 0.5, 0.75, 0.9]

export function lights(facts: Facts): readonly Light[] {
  return [system(facts), bus(facts), net(facts), { role: 'HA', ...OFF, text: 'not used: this gateway stands alone' }]
}

const OFF = { colour: 'off', pattern: 'off' } as const
const FINE = { colour: 'green', pattern: 'gap' } as const
const WAITING = { colour: 'green', pattern: 'blink' } as const
const DEGRADED = { colour: 'amber', pattern: 'long-on' } as const

const PERSON = { colour: 'red', pattern: 'double' } as const

function system({ log }: Facts): Light {
  const role = 'SYS'
  const { condition, text } = log.state
  if (condition === 'fault' || condition === 'refused') return { role, ...PERSON, text }
  if (condition === 'degraded') return { role, ...DEGRADED, text }
  return { role, ...FINE, text: 'healthy' }
}

function bus({ connections, devices }: Facts): Light {
  const role = 'BUS'
  const asked = devices.filter((device) => device.enabled && device.groups > 0)
  if (asked.length === 0) return { role, ...WAITING, text: 'nothing is configured to read: add devices and apply' }
  for (const [at, connection] of connections.entries()) {
    const own = asked.filter((device) => device.connection === connection.name)
    if (own.length === 0) continue
    const code = [Math.min(at + 1, 9), connection.state.condition === 'fault' ? 1 : 2]
    if (connection.state.condition === 'refused') {
      return { role, ...PERSON, text: `${connection.name}: ${connection.state.text}` }
    }
    if (connection.state.condition === 'fault') {
      return { role, colour: 'red', pattern: 'code', code, text: `${connection.name}: ${connection.state.text}` }
    }
    if (own.every((device) => device.answers === false)) {
      const text = `nobody answers on ${connection.name}: check power and wiring (A/B), then unit ids`
      return { role, colour: 'red', pattern: 'code', code, text }
    }
  }
  const silent = asked.filter((device) => device.answers === false)
  if (silent.length > 0) {
    const names = silent.slice(0, 3).map((device) => device.name)
    const more = silent.length > 3 ? ` and ${silent.length - 3} more` : ''
    const what = silent.length === 1 ? 'does not answer' : 'do not answer'
    return { role, ...DEGRADED, text: `${names.join(', ')}${more} ${what}: ${silent[0]!.text}` }
  }
  if (asked.some((device) => device.answers === null)) return { role, ...WAITING, text: 'waiting for first answers' }
  return { role, ...FINE, text: asked.length === 1 ? 'the device answers' : `all ${asked.length} devices answer` }
}

function net({ sinks, log }: Facts): Light {
  const role = 'NET'
  if (sinks.length === 0) return { role, ...OFF, text: 'no sink is configured: readings are kept, nobody is sent them' }
  const losing = (log.counters.evicted ?? 0) > 0 && log.bytes >= log.quotaBytes * FILL_STEPS[3]!
  if (log.state.condition === 'fault' || (losing && sinks.some(isDown))) {
    const text = `data is being lost: ${log.state.condition === 'fault' ? log.state.text : 'the log is full and the oldest go'}`
    return { role, colour: 'red', pattern: 'steady', text }
  }
  const refused = sinks.find((sink) => sink.state.condition === 'refused')
  if (refused !== undefined) return { role, ...PERSON, text: `${refused.name}: ${refused.state.text}` }
  const down = sinks.find(isDown)
  if (down !== undefined) {
    const fill = log.quotaBytes > 0 ? log.bytes / log.quotaBytes : 0
    const blinks = FILL_STEPS.filter((step) => fill >= step).length
    const text = `${down.name}: ${down.state.text}; readings are kept, the log is ${Math.round(fill * 100)} % full`
    return blinks === 0 ? { role, ...DEGRADED, text } : { role, colour: 'amber', pattern: 'code', code: [blinks], text }
  }
  const waiting = sinks.find((sink) => sink.state.condition === 'waiting')
  if (waiting !== undefined) return { role, ...WAITING, text: `${waiting.name}: ${waiting.state.text}` }
  const behind = sinks.find((sink) => sink.state.condition === 'degraded')
  if (behind !== undefined) return { role, ...DEGRADED, text: `${behind.name}: ${behind.state.text}` }
  return { role, ...FINE, text: sinks.length === 1 ? 'the sink is up' : `all ${sinks.length} sinks are up` }
}

function isDown(sink: SinkReport): boolean {
  return sink.state.condition === 'fault' || sink.state.condition === 'degraded'
}
