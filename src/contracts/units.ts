/** Durations and sizes as people write them in configurations: one reading for every room. */

const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const sizeUnits: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
}

/** What `parseDuration` accepts, anchored; fit for a JSON Schema. */
export const durationPattern = '^\\d+(\\.\\d+)?(ms|s|m|h|d)$|^0$'
/** What `parseSize` accepts, anchored; fit for a JSON Schema. */
export const sizePattern = '^\\d+(\\.\\d+)?(B|[KMGT]iB|kB|[MGT]B)$|^0$'

/** Milliseconds of `250ms`, `1s`, `1.5s`, `5m`, `1h`, `7d` or `0`; undefined: not a duration. */
export function parseDuration(text: string): number | undefined {
  return quantity(text, /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/, durationUnits)
}

/** Bytes of `512B`, `64KiB`, `4GiB` (powers of 1024), `10MB` (powers of 1000) or `0`; undefined: not a size. */
export function parseSize(text: string): number | undefined {
  const bytes = quantity(text, /^(\d+(?:\.\d+)?)(B|[KMGT]iB|kB|[MGT]B)$/, sizeUnits)
  return bytes === undefined ? undefined : Math.round(bytes)
}

function quantity(text: string, pattern: RegExp, units: Readonly<Record<string, number>>): number | undefined {
  if (text === '0') return 0
  const match = pattern.exec(text)
  if (match === null) return undefined
  const value = Number(match[1]) * units[match[2]!]!
  return Number.isFinite(value) ? value : undefined
}
