/** SYS: the service and the box it runs on. */
import type { Machine } from '../../../hal/contract.ts'
import type { Light } from '../../contracts/report.ts'
import { type Facts, FILL_STEPS, fill } from './facts.ts'
import { light, worst } from './states.ts'

/** From here on the disk wants looking after. */
const NEARLY_FULL = 0.7
/** Of a partition: what is beside the log fills it too. */
const LITTLE_SPACE = 0.05
/** eMMC and SSD alike: from here on the maker promises little. */
const WORN = 0.8
/** Below the trip point of the kernel by so much, or above this where it names none. */
const NEAR_TRIP = 5
const HOT_CELSIUS = 80
const ENDS_SOON_DAYS = 30

export function sys(facts: Facts): Light {
  return worst([light('sys.fine'), ...logLights(facts), ...serviceLights(facts), ...boxLights(facts)])
}

function logLights({ log }: Facts): Light[] {
  const { condition, text } = log.state
  const isFull = fill(log) >= FILL_STEPS[3]
  if (condition === 'refused' || (condition === 'fault' && !isFull)) {
    return [light('sys.disk', { says: `the log: ${text}` })]
  }
  const wants = condition === 'fault' || condition === 'degraded' || fill(log) >= NEARLY_FULL
  return wants ? [light('sys.log-filling', { says: `the log: ${text}` })] : []
}

function serviceLights({ phase, stalled = [], halfAway, setUp, updating }: Facts): Light[] {
  const found: Light[] = []
  if (stalled.length > 0) {
    const more = stalled.length > 1 ? ` (and ${stalled.length - 1} more)` : ''
    found.push(light('sys.stalled', { says: `${stalled[0]}${more}` }))
  }
  if (halfAway !== undefined) found.push(light('sys.half-away', { says: halfAway }))
  if (updating === true) found.push(light('sys.updating'))
  if (setUp === true) found.push(light('sys.set-up'))
  if (phase === 'starting') found.push(light('sys.starting'))
  if (phase === 'stopping') found.push(light('sys.stopping'))
  return found
}

function boxLights({ clock, machine, parts = [], faults = [], certificates = [] }: Facts): Light[] {
  const found: Light[] = machine === undefined ? [] : machineLights(machine)
  if (clock === 'unsynced') found.push(light('sys.clock'))
  const ending = [...certificates].sort((one, other) => one.daysLeft - other.daysLeft)[0]
  if (ending !== undefined && ending.daysLeft <= ENDS_SOON_DAYS) {
    const days = Math.floor(ending.daysLeft)
    const when = days < 0 ? `ended ${-days} days ago` : `ends in ${days} days`
    found.push(light('sys.certificate', { says: `the certificate of ${ending.name} ${when}` }))
  }
  // A port that a connection needs is BUS's matter; a spare one that is empty is nobody's.
  const [part, ...others] = parts.filter(({ part }) => part !== 'port')
  const [fault = part?.text, ...more] = faults
  if (fault !== undefined) {
    const further = others.length + more.length + (part !== undefined && faults.length > 0 ? 1 : 0)
    found.push(light('sys.board', { says: further > 0 ? `${fault} (and ${further} more)` : fault }))
  }
  return found
}

/** What is wrong with the storage, the worse first; "board" shows it, too. */
export function storageLights(storages: Machine['storages']): Light[] {
  const found: Light[] = []
  for (const { path, readOnly, inMemory, freeBytes, totalBytes, lifeUsed } of storages) {
    if (readOnly)
      found.push(light('sys.storage-read-only', { says: `${path} can only be read: nothing is stored there` }))
    else if (inMemory)
      found.push(
        light('sys.storage-memory', { says: `${path} is in memory: what is stored there is lost without power` }),
      )
    else if (totalBytes > 0 && freeBytes / totalBytes < LITTLE_SPACE) {
      const left = `${path} has ${mebibytes(freeBytes)} of ${mebibytes(totalBytes)} left`
      found.push(light('sys.storage-space', { says: left }))
    }
    if (lifeUsed !== undefined && lifeUsed >= WORN) {
      const used = lifeUsed >= 1 ? 'all' : `${Math.round(lifeUsed * 100)} %`
      found.push(light('sys.storage-worn', { says: `the storage under ${path} has used up ${used} of its life` }))
    }
  }
  return found
}

function machineLights({ storages, celsius, tripCelsius, throttled }: Machine): Light[] {
  const found = storageLights(storages)
  if (celsius !== undefined && celsius >= (tripCelsius === undefined ? HOT_CELSIUS : tripCelsius - NEAR_TRIP)) {
    found.push(light('sys.hot', { says: `the box is at ${Math.round(celsius)} °C` }))
  } else if (throttled === 'heat') found.push(light('sys.hot', { says: 'the box runs slower because it is too hot' }))
  if (throttled === 'voltage') found.push(light('sys.power'))
  return found
}

function mebibytes(bytes: number): string {
  const mib = bytes / 2 ** 20
  return mib >= 1024 ? `${(mib / 1024).toFixed(1)} GiB` : `${Math.round(mib)} MiB`
}
