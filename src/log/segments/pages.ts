/** A database's pages, read as a plain file. LMDB trusts every number on a page: a wrong one leads it out of its map, which
 *  ends the process. So the tree is walked here before LMDB is let in, and what a segment says of its version is read without
 *  touching anything. Layout: MDB_meta, MDB_page and MDB_node of lmdb 3.5.6, little-endian. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { damaged } from '../records/bytes.ts'

/** Of our own choosing, whatever the machine's: a log can be carried from one to another. */
export const PAGE = 4096
/** Where a meta page keeps these, its page header of 24 bytes included. */
export const META = {
  pageFlags: 18,
  magic: 24,
  version: 28,
  pageBytes: 48,
  flags: 52,
  freeRoot: 88,
  mainRoot: 136,
  lastPage: 144,
  txn: 152,
  bytes: 168,
} as const
export const MAGIC = 0xbeefc0de
export const VERSION = 2
export const META_PAGE = 8
const BRANCH_PAGE = 1
const LEAF_PAGE = 2
const HEADER = 24
const NODE = 8
const BIG_DATA = 1
const NO_ROOT = 0xffff_ffff_ffff_ffffn
const DEEPEST = 16
/** Pages at the end that were freed in the commit that made them are never written. */
const NEVER_WRITTEN = 16

interface Meta {
  readonly txn: bigint
  readonly root: bigint
  readonly freeRoot: bigint
  readonly lastPage: number
}

interface Node {
  readonly key: Buffer
  /** Of a branch. */
  readonly child: number
  /** Of a leaf: where its value stands in the file. */
  readonly valueAt: number
  readonly valueBytes: number
}

export class Pages {
  readonly #path: string
  readonly #file: number

  /** Throws what the file system throws. */
  constructor(path: string) {
    this.#path = path
    this.#file = openSync(path, 'r')
  }

  /** Throws Rejected when LMDB would be led astray. Another process may write meanwhile. */
  check(): void {
    for (;;) {
      const meta = this.#meta()
      try {
        this.#checkTree(meta.root, meta, (page, { key }, before) => {
          if (before !== undefined && Buffer.compare(key, before.key) <= 0) throw this.#wrong(page, 'is out of order')
        })
        this.#checkTree(meta.freeRoot, meta, (page, node) => this.#checkFree(page, node, meta))
        return
      } catch (thrown) {
        // It was written while we looked.
        if (this.#meta().txn === meta.txn) throw thrown
      }
    }
  }

  /** Whether there is more than a beginning, or a whole one. */
  areBegun(): boolean {
    if (fstatSync(this.#file).size > 2 * PAGE) return true
    try {
      this.#meta()
      return true
    } catch {
      return false
    }
  }

  /** Pages that its end lacks: they were never written. Throws Rejected when it lacks more. */
  missing(): { readonly pages: number; readonly size: number } {
    const { lastPage } = this.#meta()
    const missing = lastPage + 1 - Math.floor(fstatSync(this.#file).size / PAGE)
    if (missing > NEVER_WRITTEN) throw damaged(`${this.#path} is ${missing} pages shorter than it says`)
    return { pages: Math.max(0, missing), size: (lastPage + 1) * PAGE }
  }

  /** The first or the last value and its key, as far as `most` bytes; undefined: there is none. Throws Rejected. */
  edge(which: 'first' | 'last', most: number): { readonly key: Buffer; readonly value: Buffer } | undefined {
    const meta = this.#meta()
    if (meta.root === NO_ROOT) return undefined
    let page = Number(meta.root)
    for (let depth = 0; depth < DEEPEST; depth++) {
      const { leaf, nodes } = this.#nodes(page, meta)
      const node = which === 'first' ? nodes[0] : nodes.at(-1)
      if (node === undefined) throw this.#wrong(page, 'is empty')
      if (leaf) return { key: node.key, value: this.#bytes(node.valueAt, Math.min(most, node.valueBytes)) }
      page = node.child
    }
    throw this.#wrong(page, 'is too deep')
  }

  close(): void {
    closeSync(this.#file)
  }

  #meta(): Meta {
    const bytes = this.#bytes(0, PAGE + META.bytes)
    const metas = [0, PAGE].map((at) => {
      if (!isMeta(bytes, at)) throw damaged(`${this.#path} does not begin as a database does`)
      return {
        txn: bytes.readBigUInt64LE(at + META.txn),
        root: bytes.readBigUInt64LE(at + META.mainRoot),
        freeRoot: bytes.readBigUInt64LE(at + META.freeRoot),
        lastPage: Number(bytes.readBigUInt64LE(at + META.lastPage)),
      }
    })
    const [one, two] = metas as [Meta, Meta]
    return one.txn >= two.txn ? one : two
  }

  #checkTree(root: bigint, meta: Meta, check: (page: number, node: Node, before: Node | undefined) => void): void {
    if (root === NO_ROOT) return
    const seen = new Set<number>()
    let before: Node | undefined
    const walk = (page: number): void => {
      if (seen.has(page)) throw this.#wrong(page, 'leads in a circle')
      seen.add(page)
      const { leaf, nodes } = this.#nodes(page, meta)
      for (const node of nodes) {
        if (!leaf) walk(node.child)
        else {
          check(page, node, before)
          before = node
        }
      }
    }
    walk(Number(root))
  }

  /** A list of free pages: how many numbers follow, then numbers of pages and, negative, lengths of stretches. */
  #checkFree(page: number, { valueAt, valueBytes }: Node, { lastPage }: Meta): void {
    const bytes = this.#bytes(valueAt, valueBytes)
    const count = valueBytes < 8 ? 0n : bytes.readBigUInt64LE(0)
    if (valueBytes < 8 || count > BigInt(valueBytes / 8 - 1))
      throw this.#wrong(page, 'lists more free pages than it holds')
    for (let at = 8; at <= 8 * Number(count); at += 8) {
      const number = bytes.readBigInt64LE(at)
      if (number > BigInt(lastPage) || -number > BigInt(lastPage))
        throw this.#wrong(page, 'lists free pages outside of the file')
    }
  }

  #nodes(number: number, { lastPage }: Meta): { readonly leaf: boolean; readonly nodes: readonly Node[] } {
    if (number < 2 || number > lastPage) throw this.#wrong(number, 'is outside of the file')
    const page = this.#bytes(number * PAGE, PAGE)
    const flags = page.readUInt16LE(18)
    const leaf = flags === LEAF_PAGE
    if (page.readBigUInt64LE(0) !== BigInt(number) || (!leaf && flags !== BRANCH_PAGE)) {
      throw this.#wrong(number, 'is not of the tree')
    }
    const [lower, upper] = [page.readUInt16LE(20), page.readUInt16LE(22)]
    if (lower > upper || upper > PAGE - HEADER) throw this.#wrong(number, 'has no bounds')
    const nodes: Node[] = []
    for (let at = HEADER; at < HEADER + lower; at += 2) {
      const node = HEADER + page.readUInt16LE(at)
      const room = PAGE - node - NODE
      if (node < HEADER + upper || room < 0) throw this.#wrong(number, 'has a node outside of it')
      const size = page.readUInt32LE(node)
      const nodeFlags = page.readUInt16LE(node + 4)
      const keyBytes = page.readUInt16LE(node + 6)
      const isBig = leaf && nodeFlags === BIG_DATA
      const inPage = keyBytes + (isBig ? 24 : leaf ? size : 0)
      if (inPage > room || (leaf && nodeFlags > BIG_DATA)) throw this.#wrong(number, 'has a node outside of it')
      const key = page.subarray(node + NODE, node + NODE + keyBytes)
      let valueAt = number * PAGE + node + NODE + keyBytes
      if (isBig) {
        const place = node + NODE + keyBytes
        const first = Number(page.readBigUInt64LE(place))
        const pages = Number(page.readBigUInt64LE(place + 16))
        if (first < 2 || first + pages > lastPage + 1 || pages * PAGE < HEADER + size) {
          throw this.#wrong(number, 'names pages outside of the file')
        }
        valueAt = first * PAGE + HEADER
      }
      nodes.push({ key, child: size + nodeFlags * 2 ** 32, valueAt, valueBytes: size })
    }
    return { leaf, nodes }
  }

  #bytes(at: number, size: number): Buffer {
    const bytes = Buffer.alloc(size)
    readSync(this.#file, bytes, 0, size, at)
    return bytes
  }

  #wrong(page: number, text: string): Error {
    return damaged(`page ${page} of ${this.#path} ${text}`)
  }
}

function isMeta(bytes: Buffer, at: number): boolean {
  return (
    (bytes.readUInt16LE(at + META.pageFlags) & META_PAGE) !== 0 &&
    bytes.readUInt32LE(at + META.magic) === MAGIC &&
    (bytes.readUInt32LE(at + META.version) & 0xffff) === VERSION &&
    bytes.readUInt32LE(at + META.pageBytes) === PAGE
  )
}
