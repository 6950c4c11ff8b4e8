/** Live values: the last whole batch of every group, and who wants to hear of the next. */
import { type Batch, type GroupRef, tagAt, type Value } from '../contracts/batch.ts'
import type { LiveValues } from '../contracts/report.ts'

export class Live implements LiveValues {
  readonly #groups = new Map<string, Batch>()
  readonly #unstored = new Set<GroupRef>()
  readonly #listeners = new Set<(batch: Batch) => void>()
  readonly #answers: (device: string) => boolean | undefined

  /** `answers`: what the schedule knows of a device. */
  constructor(answers: (device: string) => boolean | undefined) {
    this.#answers = answers
  }

  put(batch: Batch): void {
    const key = keyOf(batch.group.device, batch.group.group)
    this.#groups.set(key, batch.tags === null ? batch : joined(this.#groups.get(key), batch))
    for (const listen of this.#listeners) listen(batch)
  }

  /** Whether the group's last batch is on its way to the disk, or was refused by it. */
  mark(group: GroupRef, stored: boolean): void {
    if (stored) this.#unstored.delete(group)
    else this.#unstored.add(group)
  }

  stored(group: GroupRef): boolean {
    return !this.#unstored.has(group)
  }

  /** Forgets groups that are no longer configured. */
  configure(groups: readonly GroupRef[]): void {
    const wanted = new Set(groups.map((group) => keyOf(group.device, group.group)))
    for (const key of this.#groups.keys()) if (!wanted.has(key)) this.#groups.delete(key)
  }

  get(device: string, group: string): Batch | undefined {
    return this.#groups.get(keyOf(device, group))
  }

  all(): Iterable<Batch> {
    return this.#groups.values()
  }

  answers(device: string): boolean | undefined {
    return this.#answers(device)
  }

  watch(listen: (batch: Batch) => void): () => void {
    this.#listeners.add(listen)
    return () => this.#listeners.delete(listen)
  }
}

function keyOf(device: string, group: string): string {
  return `${device}/${group}`
}

/** A batch of some tags laid over the last whole one. Without a whole one, or of another revision, it stays as it is. */
function joined(whole: Batch | undefined, part: Batch): Batch {
  if (whole === undefined || whole.group !== part.group || whole.tags !== null) return part
  const numbers = whole.numbers.slice()
  const quality = whole.quality?.slice() ?? new Uint8Array(numbers.length)
  const others = new Map<number, Value>(whole.others ?? [])
  for (let entry = 0; entry < part.numbers.length; entry++) {
    const tag = tagAt(part, entry)
    numbers[tag] = part.numbers[entry]!
    quality[tag] = part.quality?.[entry] ?? 0
    const other = part.others?.get(entry)
    if (other === undefined) others.delete(tag)
    else others.set(tag, other)
  }
  return {
    group: part.group,
    at: part.at,
    tags: null,
    numbers,
    others: others.size > 0 ? others : null,
    quality: quality.some((reason) => reason !== 0) ? quality : null,
    carry: part.carry,
  }
}
