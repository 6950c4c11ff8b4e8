/** What is wrong with a configuration: each problem with its place, what was expected, and the nearest valid spelling. */

export interface Problem {
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly column: number
  /** `devices.oven.groups.fast.every`. */
  readonly path: string
  readonly text: string
}

/** `file:line:column: text`, in the order of the file. */
export function formatProblems(problems: readonly Problem[]): string {
  return sorted(problems)
    .map(({ file, line, column, path, text }) => `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${text}`)
    .join('\n')
}

export function sorted(problems: readonly Problem[]): readonly Problem[] {
  return [...problems].sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line || a.column - b.column)
}

/** What other products call our keys. */
const FOREIGN: Readonly<Record<string, string>> = {
  interval: 'every',
  scan_interval: 'every',
  scaninterval: 'every',
  scan_rate: 'every',
  pollinterval: 'every',
  poll_interval: 'every',
  pollperiod: 'every',
  period: 'every',
  refresh_rate: 'every',
  north_apps: 'sinks',
  northapps: 'sinks',
  outputs: 'sinks',
  destinations: 'sinks',
  south: 'connections',
  drivers: 'connections',
  bus: 'connections',
  buses: 'connections',
  channels: 'connections',
  inputs: 'devices',
  nodes: 'devices',
  slaves: 'devices',
  slave: 'unitId',
  slave_id: 'unitId',
  slaveid: 'unitId',
  unit: 'unitId',
  unit_id: 'unitId',
  station: 'unitId',
  deviceid: 'unitId',
  byte_order: 'order',
  byteorder: 'order',
  word_order: 'order',
  wordorder: 'order',
  endianness: 'order',
  endian: 'order',
  swap: 'order',
  register: 'address',
  registeraddress: 'address',
  datatype: 'type',
  data_type: 'type',
  decimal: 'precision',
  decimals: 'precision',
  digits: 'precision',
  factor: 'scale',
  multiplier: 'scale',
  gain: 'scale',
  ratio: 'scale',
  bias: 'offset',
  units: 'unit',
  readwrite: 'access',
  attribute: 'access',
  mode: 'access',
  read_write: 'access',
  baud: 'baudRate',
  baud_rate: 'baudRate',
  speed: 'baudRate',
  stop_bits: 'stopBits',
  data_bits: 'dataBits',
  bytesize: 'dataBits',
  device: 'port',
  serial_port: 'port',
  tty: 'port',
  address: 'host',
  ip: 'host',
  hostname: 'host',
  server: 'url',
  broker: 'url',
  brokers: 'url',
  servers: 'url',
  client_id: 'clientId',
  user: 'username',
  pass: 'password',
  tls_ca: 'tls',
  ssl: 'tls',
  keepalive: 'keepAlive',
  protocol: 'driver',
  plugin: 'driver',
  kind: 'type',
  deadzone: 'deadband',
  threshold: 'deadband',
  invalid: 'noValue',
  nan_value: 'noValue',
  nanvalue: 'noValue',
  tags_file: 'tags',
  registers: 'tags',
  points: 'tags',
  datapoints: 'tags',
  timeout_ms: 'timeout',
  max_retries: 'retries',
  buffer: 'log',
  storage: 'log',
  cache: 'log',
}

/** The sentence about a key that is not known here. */
export function unknownKey(key: string, known: readonly string[]): string {
  const meant = FOREIGN[key.toLowerCase()]
  if (meant !== undefined && known.includes(meant)) return `unknown key "${key}": here it is called "${meant}"`
  const near = nearest(key, known)
  if (near !== undefined) return `unknown key "${key}": did you mean "${near}"?`
  return `unknown key "${key}": expected one of ${known.join(', ')}`
}

/** The known word that a typing mistake made this of. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of known) {
    const steps = distance(word.toLowerCase(), candidate.toLowerCase())
    if (steps < least) {
      least = steps
      best = candidate
    }
  }
  return best
}

/** Damerau–Levenshtein: insertions, deletions, replacements, and neighbours in each other's place. */
function distance(a: string, b: string): number {
  let twoAbove: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let row = 1; row <= a.length; row++) {
    const line = [row]
    for (let at = 1; at <= b.length; at++) {
      const same = a[row - 1] === b[at - 1]
      let steps = Math.min(above[at]! + 1, line[at - 1]! + 1, above[at - 1]! + (same ? 0 : 1))
      if (row > 1 && at > 1 && a[row - 1] === b[at - 2] && a[row - 2] === b[at - 1]) {
        steps = Math.min(steps, twoAbove[at - 2]! + 1)
      }
      line.push(steps)
    }
    twoAbove = above
    above = line
  }
  return above[b.length]!
}
