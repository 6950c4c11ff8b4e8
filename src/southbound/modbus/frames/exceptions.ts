/** Which exceptions are worth asking again for, and how long to wait before (the design's fault table). Pure. */

/** Asked again at once: failures that may have passed. */
const AT_ONCE = 2
/** Asked again after a wait that doubles. */
const AFTER_WAIT_MS = [100, 200, 400] as const

/** Milliseconds to wait before a read is repeated that drew this exception `attempts` times; null: do not repeat it. */
export function readAgainAfter(code: number, attempts: number): number | null {
  if (code === 4 || code === 8) return attempts <= AT_ONCE ? 0 : null
  if (code === 5 || code === 6) return AFTER_WAIT_MS[attempts - 1] ?? null
  return null
}

/** The same for a write. Only "busy" says that nothing was carried out; "accepted" (5) is never sent again. */
export function writeAgainAfter(code: number, attempts: number): number | null {
  return code === 6 ? (AFTER_WAIT_MS[attempts - 1] ?? null) : null
}

/** Exceptions that speak of the request itself: some register of it is refused. */
export function isRefusal(code: number): boolean {
  return code >= 1 && code <= 3
}

/** The write may have been carried out although the answer is an exception. */
export function leavesUnknown(code: number): boolean {
  return code === 5 || code === 11
}
