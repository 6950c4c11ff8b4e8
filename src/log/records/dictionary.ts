/** Numbers for groups and boots, so that a record names its group in four bytes; and the other way round the very GroupRef
 *  that a batch was appended with. What came from disk is decoded only when somebody asks for it. */
import { createHash } from 'node:crypto'
import type { GroupRef, TagInfo, ValueKind } from '../../contracts/batch.ts'
import { ByteReader, ByteWriter, damaged } from './bytes.ts'
import type { Numbering } from './record.ts'

interface Known {
  readonly number: number
  readonly bytes: Uint8Array
  ref: GroupRef | undefined
}

export class Dictionary implements Numbering {
  readonly #byNumber = new Map<number, Known>()
  readonly #byContent = new Map<string, Known>()
  readonly #numbers = new WeakMap<GroupRef, number>()
  /** Bound, and in no segment yet. */
  #awaited = new Map<string, GroupRef>()
  readonly #boots: string[] = []
  #next = 1
  #lastRef: GroupRef | undefined
  #lastNumber = 0

  /** The number of a group; equal content has one number, whatever object it comes in. */
  group(ref: GroupRef): number {
    if (ref === this.#lastRef) return this.#lastNumber
    const number = this.#numbers.get(ref) ?? this.#enter(ref)
    this.#lastRef = ref
    this.#lastNumber = number
    return number
  }

  boot(boot: string): number {
    const last = this.#boots.length - 1
    if (this.#boots[last] === boot) return last
    const found = this.#boots.indexOf(boot)
    return found >= 0 ? found : this.#boots.push(boot) - 1
  }

  get boots(): readonly string[] {
    return this.#boots
  }

  groupOf(number: number): GroupRef | undefined {
    const known = this.#byNumber.get(number)
    if (known === undefined) return undefined
    known.ref ??= decodeGroup(known.bytes)
    return known.ref
  }

  bytesOf(number: number): Uint8Array | undefined {
    return this.#byNumber.get(number)?.bytes
  }

  /** From here on these very objects are given back for what is stored with equal content; others are let go. */
  bind(refs: readonly GroupRef[]): void {
    const bound = new Set<Known>()
    this.#awaited = new Map()
    for (const ref of refs) {
      if (this.#numbers.has(ref)) {
        const known = this.#byNumber.get(this.#numbers.get(ref)!)
        if (known !== undefined) bound.add(known)
        continue
      }
      const content = contentOf(encodeGroup(ref))
      const known = this.#byContent.get(content)
      if (known === undefined) {
        this.#awaited.set(content, ref)
        continue
      }
      known.ref = ref
      this.#numbers.set(ref, known.number)
      bound.add(known)
    }
    for (const known of this.#byNumber.values()) if (!bound.has(known)) known.ref = undefined
  }

  /** What a segment holds. A number means the same in all segments of a log; one that began anew wins. */
  load(number: number, bytes: Uint8Array): void {
    this.#next = Math.max(this.#next, number + 1)
    const before = this.#byNumber.get(number)
    if (before !== undefined && Buffer.compare(before.bytes, bytes) === 0) return
    const content = contentOf(bytes)
    const known: Known = { number, bytes, ref: this.#awaited.get(content) }
    if (known.ref !== undefined) this.#numbers.set(known.ref, number)
    this.#byNumber.set(number, known)
    this.#byContent.set(content, known)
  }

  loadBoots(boots: readonly string[]): void {
    this.#boots.splice(0, this.#boots.length, ...boots)
  }

  /** Numbers handed out so far; none of these is handed out again. */
  get next(): number {
    return this.#next
  }

  set next(next: number) {
    this.#next = Math.max(this.#next, next)
  }

  #enter(ref: GroupRef): number {
    const bytes = encodeGroup(ref)
    const content = contentOf(bytes)
    let known = this.#byContent.get(content)
    if (known === undefined) {
      known = { number: this.#next++, bytes, ref }
      this.#byNumber.set(known.number, known)
      this.#byContent.set(content, known)
    }
    known.ref = ref
    this.#numbers.set(ref, known.number)
    return known.number
  }
}

/** Stands behind the kind of a tag whose values are records that are given once. */
const EVENTS = ' of events'

function contentOf(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('base64')
}

/** Everything but `id`, which is an identity within one process. Words that repeat from tag to tag stand once. */
export function encodeGroup(ref: GroupRef): Uint8Array {
  const words = new Map<string, number>()
  const word = (text: string): number => {
    const known = words.get(text) ?? words.size
    words.set(text, known)
    return known
  }
  const tags = new ByteWriter(16 + ref.tags.length * 16)
  for (const tag of ref.tags) {
    tags.text(tag.name)
    tags.u16(word(tag.type))
    tags.u16(word(tag.events === true ? `${tag.kind}${EVENTS}` : tag.kind))
    tags.u16(tag.unit === undefined ? 0xffff : word(tag.unit))
    tags.u16(tag.labels === undefined ? 0xffff : word(JSON.stringify(tag.labels)))
  }
  const to = new ByteWriter(tags.length + 256)
  to.u32(ref.revision)
  to.text(ref.device)
  to.text(ref.group)
  to.text(JSON.stringify([ref.path, ref.labels ?? null]))
  to.u16(words.size)
  for (const text of words.keys()) to.text(text)
  to.u32(ref.tags.length)
  to.bytes(tags.buffer.subarray(0, tags.length))
  return to.copy()
}

/** Throws Rejected when the bytes are not a group's. The id is 0 until the configuration's own object takes its place. */
export function decodeGroup(bytes: Uint8Array): GroupRef {
  const from = new ByteReader(bytes)
  const revision = from.u32()
  const device = from.text()
  const group = from.text()
  const [path, labels] = JSON.parse(from.text()) as [GroupRef['path'], GroupRef['labels'] | null]
  const words = Array.from({ length: from.u16() }, () => from.text())
  const word = (number: number): string => {
    const text = words[number]
    if (text === undefined) throw damaged(`the dictionary's ${device}/${group} names a word it lacks`)
    return text
  }
  const labelled = new Map<number, Readonly<Record<string, string>>>()
  const count = from.u32()
  const tags: TagInfo[] = []
  for (let left = count; left > 0; left--) {
    const name = from.text()
    const type = word(from.u16())
    const kindWord = word(from.u16())
    const events = kindWord.endsWith(EVENTS)
    const kind = (events ? kindWord.slice(0, -EVENTS.length) : kindWord) as ValueKind
    const unit = from.u16()
    const label = from.u16()
    if (label !== 0xffff && !labelled.has(label)) labelled.set(label, JSON.parse(word(label)))
    tags.push({
      name,
      type,
      kind,
      ...(unit === 0xffff ? {} : { unit: word(unit) }),
      ...(label === 0xffff ? {} : { labels: labelled.get(label)! }),
      ...(events ? { events: true } : {}),
    })
  }
  return { id: 0, revision, device, group, path, ...(labels == null ? {} : { labels }), tags }
}
