/** NET: the sinks, and the network that leads to them. */
import type { Light } from '../../contracts/report.ts'
import { type Facts, FILL_STEPS, fill } from './facts.ts'
import { light, type StateId, worst } from './states.ts'

type SinkFacts = Facts['sinks'][number]

const BUFFERING: readonly StateId[] = [
  'net.down',
  'net.buffering.25',
  'net.buffering.50',
  'net.buffering.75',
  'net.buffering.90',
]

export function net(facts: Facts): Light {
  const { sinks, log, halfAway } = facts
  const found: Light[] = []
  if (log.state.condition === 'fault' || log.state.condition === 'refused') {
    const todo = sinks.some(isDown) ? 'bring the sinks back' : 'look at the disk'
    found.push(light('net.losing', { says: `data is being lost: ${log.state.text}`, todo }))
  }
  if (sinks.length === 0) return found[0] ?? light('net.off')
  const level = FILL_STEPS.filter((step) => fill(log) >= step).length
  for (const sink of sinks) {
    const says = `${sink.name}: ${sink.state.text}`
    if (sink.state.condition === 'refused') found.push(refused(says, log))
    else if (level === 0 && halfAway === undefined && isNew(sink)) found.push(connecting(sink, facts))
    else if (isDown(sink) || (level > 0 && sink.state.condition === 'waiting')) {
      found.push(light(BUFFERING[level]!, { says: `${says}; ${kept(log)}`, todo: '' }))
    } else if (sink.state.condition === 'waiting') found.push(light('net.connecting', { says }))
  }
  found.push(light('net.fine', { says: sinks.length === 1 ? 'the sink is up' : `all ${sinks.length} sinks are up` }))
  return worst(found)
}

function refused(says: string, log: Facts['log']): Light {
  const { text, ...rest } = light('net.credentials', { says })
  return { ...rest, text: `${text}; ${kept(log)}` }
}

/** Not up, and never was: nothing was delivered to it yet. Somebody is setting it up, and wants to know how far it gets. */
function isNew({ state, receipt }: SinkFacts): boolean {
  return state.condition === 'fault' && receipt !== null && receipt.delivered + receipt.quarantined === 0
}

/** The first thing that is not there, in the order in which a connection needs them. Who was refused had all of them. */
function connecting({ name, state }: SinkFacts, { machine, clock }: Facts): Light {
  const says = `${name}: ${state.text}`
  // Who knows the cause says what to do about it.
  if (state.cause === 'refused') return light('net.refused', { says, todo: '' })
  if (machine !== undefined) {
    const linked = machine.links.filter(({ carrier }) => carrier)
    if (machine.links.length > 0 && linked.length === 0)
      return light('net.no-link', { says: `${says}; no network link` })
    if (linked.length > 0 && !linked.some(({ addresses }) => addresses > 0)) {
      return light('net.no-address', { says: `${says}; the box has no network address` })
    }
  }
  if (state.cause === 'name') return light('net.no-name', { says, todo: '' })
  if (clock === 'unsynced') return light('net.no-name', { says: `${says}; the clock is not set` })
  return light('net.connecting', { says })
}

function isDown({ state }: SinkFacts): boolean {
  return state.condition === 'fault' || state.condition === 'degraded'
}

function kept(log: Facts['log']): string {
  return `readings are kept, the log is ${Math.floor(fill(log) * 100)} % full`
}
