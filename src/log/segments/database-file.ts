/** The two files of a database, as LMDB is to find them. Its open frees twice when it fails (lmdb 3.5.6), and a reader slot
 *  that has no block on a full disk is a bus error: both end the process. So whatever its open would write is laid here
 *  before, synced, and whatever it would look at is looked at here first; it is left with what cannot fail. */
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { MAGIC, META, META_PAGE, PAGE, Pages, VERSION } from './pages.ts'

/** MDB_NOSUBDIR, and MDB_INTEGERKEY of the list of free pages. */
const FLAGS = 0x4008
/** 126 slots of 64 bytes behind the head of the lock file: what LMDB would make it. */
const LOCK_BYTES = 8272
/** Makes both files ready to be opened. Throws Rejected when the database is not whole, and what the file system throws. */
export function ready(path: string, options: { readonly readOnly: boolean }): void {
  const { readOnly } = options
  if (!readOnly && !isBegun(path)) layPages(path)
  checkPages(path)
  if (!readOnly) fillUp(path)
  try {
    layLock(`${path}-lock`)
    // Without the right to write its reader slot LMDB reads on silently, while pages change under it.
    accessSync(`${path}-lock`, constants.R_OK | constants.W_OK)
  } catch (thrown) {
    // Where nothing can be written no page changes.
    if (!readOnly || (thrown as NodeJS.ErrnoException).code !== 'EROFS') throw thrown
  }
}

/** Its first two pages are synced before anything is stored behind them: without them, and no longer than they are, it never
 *  held anything. */
function isBegun(path: string): boolean {
  if (!existsSync(path)) return false
  const pages = new Pages(path)
  try {
    return pages.areBegun()
  } finally {
    pages.close()
  }
}

/** An empty database: two meta pages. */
function layPages(path: string): void {
  const bytes = Buffer.alloc(2 * PAGE)
  for (const at of [0, PAGE]) {
    bytes.writeBigUInt64LE(BigInt(at / PAGE), at)
    bytes.writeUInt16LE(META_PAGE, at + META.pageFlags)
    bytes.writeUInt32LE(MAGIC, at + META.magic)
    bytes.writeUInt32LE(VERSION, at + META.version)
    bytes.writeUInt32LE(PAGE, at + META.pageBytes)
    bytes.writeUInt16LE(FLAGS, at + META.flags)
    bytes.fill(0xff, at + META.freeRoot, at + META.freeRoot + 8)
    bytes.fill(0xff, at + META.mainRoot, at + META.mainRoot + 8)
    bytes.writeBigUInt64LE(1n, at + META.lastPage)
  }
  written(path, bytes)
  chmodSync(path, 0o640)
}

/** The reader slots. Blocks, not a hole: they are written through memory, where a full disk cannot be told. */
function layLock(path: string): void {
  const exists = existsSync(path)
  const size = exists ? sizeOf(path) : 0
  if (size < LOCK_BYTES) written(path, Buffer.alloc(LOCK_BYTES - size), size)
  // The other half reads, and takes its reader's slot: under another user, of the same group.
  if (!exists) chmodSync(path, 0o660)
}

function written(path: string, bytes: Buffer, at = 0): void {
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o664)
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, at + done)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

function sizeOf(path: string): number {
  const file = openSync(path, 'r')
  try {
    return fstatSync(file).size
  } finally {
    closeSync(file)
  }
}

/** A mapped file that ends before its last page kills the process at the first touch, and so does a page that leads out of
 *  it: that is found out before. */
export function checkPages(path: string): void {
  const pages = new Pages(path)
  try {
    pages.missing()
    pages.check()
  } finally {
    pages.close()
  }
}

/** So that nothing is beyond the end of what is mapped. */
function fillUp(path: string): void {
  const pages = new Pages(path)
  try {
    const missing = pages.missing()
    if (missing.pages > 0) truncateSync(path, missing.size)
  } finally {
    pages.close()
  }
}
