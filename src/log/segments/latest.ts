/** The last value of every tag: one whole batch a group, partial batches merged over it. */
import { type Batch, type GroupRef, Reason, type Value } from '../../contracts/batch.ts'
import type { Position } from '../../contracts/log.ts'

interface Last {
  batch: Batch
  /** Own columns, written over in place; null while `batch` is as it was appended. */
  merged: Batch | null
  position: Position
  configured: boolean
}

export class Latest {
  readonly #byRef = new Map<GroupRef, Last>()
  readonly #byName = new Map<string, GroupRef>()
  #configured: ReadonlySet<string> | null = null
  #restore: (() => Iterable<{ readonly batch: Batch; readonly position: Position }>) | undefined

  /** `restore`: what another run left; asked for when it is first needed, once the configured groups are known. */
  constructor(restore: () => Iterable<{ readonly batch: Batch; readonly position: Position }>) {
    this.#restore = restore
  }

  put(batch: Batch, position: Position): void {
    this.#fill()
    const last = this.#byRef.get(batch.group)
    if (last === undefined) {
      this.#enter(batch, position)
      return
    }
    last.position = position
    if (batch.tags === null) {
      last.merged = null
      last.batch = batch.carry === null && last.batch.carry !== null ? { ...batch, carry: last.batch.carry } : batch
    } else {
      last.merged ??= ownColumns(last.batch)
      last.merged = mergeInto(last.merged, batch)
      last.batch = last.merged
    }
  }

  /** Whole batches; what is appended later does not change them. */
  batches(): readonly Batch[] {
    this.#fill()
    return Array.from(this.#byRef.values(), (last) => {
      last.merged = null
      return last.batch
    })
  }

  /** Like `batches`, with the position of each group's last batch. */
  entries(): readonly { readonly batch: Batch; readonly position: Position }[] {
    this.#fill()
    return Array.from(this.#byRef.values(), (last) => {
      last.merged = null
      return { batch: last.batch, position: last.position }
    })
  }

  configure(groups: readonly GroupRef[]): void {
    this.#configured = new Set(groups.map(nameOf))
    this.#fill()
    for (const [ref, last] of this.#byRef) last.configured = this.#configured.has(nameOf(ref))
  }

  /** Groups that are no longer configured stay for as long as stored entries mention them. */
  forget(oldest: Position): void {
    for (const [ref, last] of this.#byRef) {
      if (last.configured || last.position.seq >= oldest.seq) continue
      this.#byRef.delete(ref)
      this.#byName.delete(nameOf(ref))
    }
  }

  #fill(): void {
    const restore = this.#restore
    if (restore === undefined) return
    this.#restore = undefined
    for (const { batch, position } of restore()) this.put(batch, position)
  }

  #enter(batch: Batch, position: Position): void {
    const name = nameOf(batch.group)
    const before = this.#byName.get(name)
    let base: Batch
    if (before === undefined) base = unread(batch)
    else {
      base = translate(this.#byRef.get(before)!.batch, batch.group)
      this.#byRef.delete(before)
    }
    this.#byName.set(name, batch.group)
    const configured = this.#configured?.has(name) ?? true
    this.#byRef.set(batch.group, { batch: base, merged: null, position, configured })
    this.put(batch, position)
  }
}

function nameOf(group: GroupRef): string {
  return `${group.device}\n${group.group}`
}

function unread(batch: Batch): Batch {
  const count = batch.group.tags.length
  return {
    ...batch,
    tags: null,
    numbers: new Float64Array(count).fill(Number.NaN),
    others: null,
    quality: new Uint8Array(count).fill(Reason.notYet),
    carry: null,
  }
}

function ownColumns(batch: Batch): Batch {
  const { numbers, quality } = batch
  return {
    ...batch,
    numbers: numbers.slice(),
    quality: quality === null ? new Uint8Array(numbers.length) : quality.slice(),
    others: new Map(batch.others ?? []),
  }
}

/** `own` with the tags of `batch` written into its columns. */
function mergeInto(own: Batch, batch: Batch): Batch {
  const tags = batch.tags!
  const others = own.others as Map<number, Value>
  for (let entry = 0; entry < tags.length; entry++) {
    const tag = tags[entry]!
    own.numbers[tag] = batch.numbers[entry]!
    own.quality![tag] = batch.quality === null ? Reason.good : batch.quality[entry]!
    const other = batch.others?.get(entry)
    if (other !== undefined) others.set(tag, other)
    else if (others.size > 0) others.delete(tag)
  }
  return { ...own, at: batch.at, carry: batch.carry ?? own.carry }
}

/** The last values under a changed tag list: tags of the same name and type keep theirs, the others were not read yet.
 *  What is carried speaks of the old list; the batch that brought the new one carries its own. */
function translate(last: Batch, group: GroupRef): Batch {
  const count = group.tags.length
  const numbers = new Float64Array(count).fill(Number.NaN)
  const quality = new Uint8Array(count).fill(Reason.notYet)
  const others = new Map<number, Value>()
  const before = new Map(last.group.tags.map((tag, index) => [tag.name, index]))
  for (let tag = 0; tag < count; tag++) {
    const { name, type, kind } = group.tags[tag]!
    const old = before.get(name)
    if (old === undefined) continue
    const was = last.group.tags[old]!
    if (was.type !== type || was.kind !== kind) continue
    numbers[tag] = last.numbers[old]!
    quality[tag] = last.quality === null ? Reason.good : last.quality[old]!
    const other = last.others?.get(old)
    if (other !== undefined) others.set(tag, other)
  }
  return { group, at: last.at, tags: null, numbers, others, quality, carry: null }
}
