/** The disk below a recording: what it must hold when the power is cut after some step, and what it may hold beside.
 *
 *  Must: what a finished fsync or fdatasync of the same file was begun after, a finished write under O_DSYNC, and names that
 *  a finished fsync of their folder was begun after. Nothing less: the fsync of a file makes its name durable on ext4, and
 *  is not trusted to.
 *  May: of everything else, any subset of the writes, each whole or torn at 512-byte sectors; where the size of a file was
 *  not durable, any of the sizes, with zeros where data did not come along; of the changes of names any beginning of their
 *  order, over all folders (a journal) or of each folder by itself (weaker than any journal). A rename is whole.
 *  It stands for ext4 in every data mode, xfs, f2fs and btrfs above a disk that keeps 512 bytes whole and heeds flushes. */
import { bytesOf, type Change, type Fate, type File, type Op } from './file.ts'
import type { Recording, Tree } from './recording.ts'

interface Folder {
  readonly kind: 'folder'
  readonly names: Map<string, Node>
}

type Node = Folder | File

/** Of names: `from` is left, `to` is taken. */
interface Naming extends Op {
  readonly node: Node
  readonly from: { readonly folder: Folder; readonly name: string } | undefined
  readonly to: { readonly folder: Folder; readonly name: string } | undefined
}

/** Syncs that are taken as not done, to prove that the harness finds it. */
export interface Faults {
  readonly what: readonly ('files' | 'folders' | 'O_DSYNC')[]
  /** A pattern for the paths below the disk; absent: of all. */
  readonly of?: string
}

/** How a crash went: what of the undecided is there. */
export interface Choice {
  readonly names: 'none' | 'all' | 'journal' | 'folders'
  /** Of the undecided writes, oldest first. */
  readonly write: (index: number, of: number) => Fate
  /** Of a file whose size is undecided: as far as its data goes, as long as it was, or as short as is durable. */
  readonly size: 'data' | 'long' | 'short'
  /** What the maps of lock files left behind. */
  readonly locks: 'zeros' | 'noise'
  readonly random: () => number
}

export class Disk {
  readonly #root: Folder = { kind: 'folder', names: new Map() }
  readonly #files: File[] = []
  readonly #namings: Naming[] = []

  constructor(recording: Recording, faults: Faults = { what: [] }) {
    const pattern = new RegExp(faults.of ?? '')
    const omitted = (what: Faults['what'][number], path: string): boolean =>
      faults.what.includes(what) && pattern.test(path)
    for (const [path, bytes] of recording.base) this.#lay(path, bytes)
    const fds = new Map<string, { readonly node: Node; readonly path: string }>()
    const underWay = new Map<string, (step: number) => void>()
    for (const [step, { kind, process, fd, id, path, other, at, data, ...how }] of recording.steps.entries()) {
      const name = `${process} ${fd}`
      const file = fds.get(name)
      const node = file?.node
      switch (kind) {
        case 'open': {
          const found = how.created ? this.#create(step, path, 'file') : this.#at(path)
          if (how.truncated && !how.created && found.kind === 'file')
            found.changes.push({ step, durable: Infinity, at: 0, data: null })
          fds.set(name, { node: found, path })
          break
        }
        case 'write': {
          if (node?.kind !== 'file') throw new Error(`step ${step} writes to no file`)
          const change: Change = { step, durable: Infinity, at, data }
          node.changes.push(change)
          if (how.eachSynced && !omitted('O_DSYNC', file!.path)) {
            underWay.set(`${process} ${id}`, (end) => {
              change.durable = Math.min(change.durable, end)
            })
          }
          break
        }
        case 'written':
        case 'synced':
          underWay.get(`${process} ${id}`)?.(step)
          break
        case 'truncate':
          if (node?.kind !== 'file') throw new Error(`step ${step} truncates no file`)
          node.changes.push({ step, durable: Infinity, at, data: null })
          break
        case 'sync': {
          if (node === undefined || omitted(node.kind === 'file' ? 'files' : 'folders', file!.path)) break
          const covered: Op[] =
            node.kind === 'file'
              ? node.changes.filter((change) => change.durable === Infinity)
              : this.#namings.filter(({ from, to, durable }) => {
                  return durable === Infinity && (from?.folder === node || to?.folder === node)
                })
          underWay.set(`${process} ${id}`, (end) => {
            for (const op of covered) op.durable = Math.min(op.durable, end)
          })
          break
        }
        case 'close':
          fds.delete(name)
          break
        case 'rename':
          this.#rename(step, path, other)
          break
        case 'link':
          this.#name({ step, durable: Infinity, node: this.#at(path), from: undefined, to: this.#place(other) })
          break
        case 'unlink':
        case 'rmdir': {
          const from = this.#place(path)
          this.#name({ step, durable: Infinity, node: this.#at(path), from, to: undefined })
          break
        }
        case 'mkdir':
          this.#create(step, path, 'folder')
          break
        default:
      }
    }
  }

  /** What is undecided when the power is cut after so many steps. */
  undecided(steps: number): { readonly writes: number; readonly names: number } {
    const open = (op: Op): boolean => op.step < steps && op.durable >= steps
    return {
      writes: this.#files.reduce((sum, { changes }) => sum + changes.filter(open).length, 0),
      names: this.#namings.filter(open).length,
    }
  }

  /** The disk after a cut. */
  after(steps: number, choice: Choice): Tree {
    const fates = this.#fates(steps, choice)
    const names = new Map<Folder, Map<string, Node>>()
    const within = (folder: Folder): Map<string, Node> => {
      const known = names.get(folder) ?? new Map<string, Node>()
      names.set(folder, known)
      return known
    }
    for (const { node, from, to } of this.#namingsAfter(steps, choice)) {
      if (from !== undefined && within(from.folder).get(from.name) === node) within(from.folder).delete(from.name)
      if (to !== undefined) within(to.folder).set(to.name, node)
    }
    const tree: [string, Buffer | null][] = []
    const visit = (folder: Folder, before: string): void => {
      for (const [name, node] of within(folder)) {
        const path = before + name
        tree.push([path, node.kind === 'folder' ? null : bytesOf(node, steps, fates, choice)])
        if (node.kind === 'folder') visit(node, `${path}/`)
      }
    }
    visit(this.#root, '')
    return tree
  }

  #fates(steps: number, choice: Choice): Map<Change, Fate> {
    const undecided = this.#files
      .flatMap(({ changes }) => changes.filter(({ step, durable }) => step < steps && durable >= steps))
      .sort((a, b) => a.step - b.step)
    return new Map(undecided.map((change, index) => [change, choice.write(index, undecided.length)]))
  }

  /** Those that hold, in their order. */
  #namingsAfter(steps: number, { names, random }: Choice): readonly Naming[] {
    const before = this.#namings.filter(({ step }) => step < steps)
    const isDurable = ({ durable }: Naming): boolean => durable < steps
    if (names === 'all') return before
    if (names === 'none' || names === 'folders') {
      const ends = new Map<Folder, number>()
      const foldersOf = ({ from, to }: Naming): Folder[] => [from, to].flatMap((place) => place?.folder ?? [])
      for (const folder of new Set(before.flatMap(foldersOf))) {
        const own = before.filter((naming) => foldersOf(naming).includes(folder))
        const least = own.findLastIndex(isDurable) + 1
        const count = names === 'none' ? least : least + Math.floor(random() * (own.length - least + 1))
        ends.set(folder, own[count - 1]?.step ?? Number.NEGATIVE_INFINITY)
      }
      return before.filter((naming) => {
        return isDurable(naming) || foldersOf(naming).every((folder) => naming.step <= ends.get(folder)!)
      })
    }
    const least = before.findLastIndex(isDurable) + 1
    return before.slice(0, least + Math.floor(random() * (before.length - least + 1)))
  }

  #lay(path: string, bytes: Buffer | null): void {
    const node = this.#create(-1, path, bytes === null ? 'folder' : 'file', -1)
    if (node.kind === 'file' && bytes !== null) node.changes.push({ step: -1, durable: -1, at: 0, data: bytes })
  }

  #create(step: number, path: string, kind: 'file' | 'folder', durable = Number.POSITIVE_INFINITY): Node {
    const node: Node = kind === 'file' ? { kind, path, changes: [] } : { kind, names: new Map() }
    if (node.kind === 'file') this.#files.push(node)
    this.#name({ step, durable, node, from: undefined, to: this.#place(path) })
    return node
  }

  #rename(step: number, path: string, other: string): void {
    this.#name({ step, durable: Infinity, node: this.#at(path), from: this.#place(path), to: this.#place(other) })
  }

  #name(naming: Naming): void {
    const { node, from, to } = naming
    from?.folder.names.delete(from.name)
    to?.folder.names.set(to.name, node)
    this.#namings.push(naming)
  }

  #place(path: string): { folder: Folder; name: string } {
    const end = path.lastIndexOf('/')
    const folder = this.#at(path.slice(0, Math.max(0, end)))
    if (folder.kind !== 'folder') throw new Error(`${path} is in no folder`)
    return { folder, name: path.slice(end + 1) }
  }

  #at(path: string): Node {
    let node: Node = this.#root
    for (const name of path.split('/')) {
      if (name === '') continue
      const next: Node | undefined = node.kind === 'folder' ? node.names.get(name) : undefined
      if (next === undefined) throw new Error(`${path} is not there`)
      node = next
    }
    return node
  }
}

/** As it would be without a power cut. */
export function untouched(): Choice {
  return { names: 'all', write: () => 'kept', size: 'data', locks: 'zeros', random: () => 0 }
}
