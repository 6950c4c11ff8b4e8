/** Entries as messages: topic, payload and MQTT 5 properties. Pure. */
import type { IClientPublishOptions } from 'mqtt'
import { type Batch, type GroupRef, type Isa95Path, Reason, tagAt } from '../../contracts/batch.ts'
import type { Instant } from '../../contracts/clock.ts'
import { ConfigurationFault } from '../../contracts/errors.ts'
import type { BatchEntry, Entry } from '../../contracts/log.ts'
import { type Bigint, ecpPayload, tagsPayload, unsPayload, valuesPayload } from './formats.ts'
import type { MqttSettings } from './schema.ts'
import { fillTemplate } from './template.ts'
import { fill, gatewayVariables, groupVariables } from './topics.ts'
import type { Outgoing } from './transmission.ts'

const VALUES_TOPIC = '/neuron/{sink}/{device}/{group}'
const UNS_TOPIC = '{enterprise}/{site}/{area}/{line}/{device}/{group}/{tag}'
const DEFAULT_TEMPLATE = '{"timestamp":"${timestamp}","node":"${node}","group":"${group}","values":"${tag_values}"}'

type Quality = 'good' | 'bad' | 'mixed'

interface Said {
  readonly position: BatchEntry['position']
  readonly at: Instant
  readonly quality: Quality
  readonly historical: boolean
}

export class Messages {
  readonly #sink: string
  readonly #stream: string
  readonly #settings: MqttSettings
  readonly #bigint: Bigint
  readonly #eventsTopic: string | undefined
  /** One topic a group, or one a tag where a message carries one value. */
  readonly #topics = new WeakMap<GroupRef, readonly string[]>()

  constructor(options: { sink: string; path: Isa95Path; stream: string; settings: MqttSettings; bigint: Bigint }) {
    const { sink, path, settings } = options
    this.#sink = sink
    this.#stream = options.stream
    this.#settings = settings
    this.#bigint = options.bigint
    this.#eventsTopic = settings.events === false ? undefined : fill(settings.events, gatewayVariables(sink, path))
  }

  *of(entries: readonly Entry[], historical: boolean): Iterable<Outgoing> {
    for (const entry of entries) {
      if (entry.kind !== 'batch') yield* this.#event(entry)
      else if (this.#settings.format === 'uns') yield* this.#values(entry, historical)
      else yield* this.#whole(entry, historical)
    }
  }

  *#event(entry: Exclude<Entry, BatchEntry>): Iterable<Outgoing> {
    if (this.#eventsTopic === undefined) return
    const { at, ...rest } = entry
    const uncertain = at.clock === 'synced' ? {} : { clock: at.clock }
    yield {
      position: entry.position,
      topic: this.#eventsTopic,
      payload: JSON.stringify({ timestamp: at.wall, stream: this.#stream, ...uncertain, ...rest }),
      options: { qos: this.#settings.qos },
      event: true,
    }
  }

  *#whole({ position, batch }: BatchEntry, historical: boolean): Iterable<Outgoing> {
    const payload = this.#payload(batch)
    if (payload === undefined) return
    const [topic] = this.#topicsOf(batch.group)
    const options = this.#options({ position, at: batch.at, quality: qualityOf(batch), historical })
    yield { position, topic: topic!, payload, options, event: false }
  }

  *#values({ position, batch }: BatchEntry, historical: boolean): Iterable<Outgoing> {
    const topics = this.#topicsOf(batch.group)
    const { at } = batch
    const good = this.#options({ position, at, quality: 'good', historical })
    const bad = batch.quality === null ? good : this.#options({ position, at, quality: 'bad', historical })
    for (let entry = 0; entry < batch.numbers.length; entry++) {
      const options = batch.quality === null || batch.quality[entry] === Reason.good ? good : bad
      const payload = unsPayload(batch, entry, this.#bigint)
      yield { position, topic: topics[tagAt(batch, entry)]!, payload, options, event: false }
    }
  }

  #payload(batch: Batch): string | undefined {
    const { format, uploadErrors, template } = this.#settings
    switch (format) {
      case 'tags':
        return tagsPayload(batch, this.#bigint, uploadErrors)
      case 'ecp':
        return ecpPayload(batch, this.#bigint)
      case 'template':
        return fillTemplate(template ?? DEFAULT_TEMPLATE, batch, this.#sink, this.#bigint)
      default:
        return valuesPayload(batch, this.#bigint, uploadErrors)
    }
  }

  #topicsOf(group: GroupRef): readonly string[] {
    let topics = this.#topics.get(group)
    if (topics === undefined) {
      const { format, topic } = this.#settings
      const own = groupVariables(this.#sink, group)
      topics =
        format === 'uns'
          ? distinct(
              group,
              group.tags.map(({ name }) => fill(topic ?? UNS_TOPIC, { ...own, tag: name })),
            )
          : [fill(topic ?? VALUES_TOPIC, own)]
      this.#topics.set(group, topics)
    }
    return topics
  }

  #options(said: Said): IClientPublishOptions {
    const { position, at, quality, historical } = said
    const { qos, retain, version, properties } = this.#settings
    // What is retained is taken for the present: a backlog that is sent beside it never is.
    const options: IClientPublishOptions = { qos, retain: retain && !historical }
    if (version === '5' && properties) {
      const key = `${this.#stream}/${position.epoch}/${position.seq}`
      options.properties = {
        userProperties: {
          position: key,
          quality,
          ...clockProperties(at),
          ...(historical ? { historical: 'true' } : {}),
        },
      }
    }
    return options
  }
}

/** Whose time the timestamp is, where the gateway's clock was not set; and of an uncertain one what a later clock entry
 *  (`boot`, `offsetMs`) corrects it by: UTC = monotonic + offsetMs. */
function clockProperties({ clock, boot, monotonic }: Instant): Record<string, string> {
  if (clock === 'synced') return {}
  return clock === 'unsynced' ? { clock, boot, monotonic: String(monotonic) } : { clock }
}

/** One value a topic says nothing but the value: two tags with one topic could not be told apart. */
function distinct({ device, group, tags }: GroupRef, topics: readonly string[]): readonly string[] {
  const taken = new Map<string, string>()
  for (const [at, topic] of topics.entries()) {
    const name = tags[at]!.name
    const other = taken.get(topic)
    if (other !== undefined) {
      throw new ConfigurationFault(
        `${other} and ${name} of ${device}/${group} would both go to ${topic}: with format uns, topic needs {tag}`,
      )
    }
    taken.set(topic, name)
  }
  return topics
}

function qualityOf({ quality }: Batch): Quality {
  if (quality === null) return 'good'
  let good = 0
  for (const reason of quality) if (reason === Reason.good) good++
  return good === quality.length ? 'good' : good === 0 ? 'bad' : 'mixed'
}
