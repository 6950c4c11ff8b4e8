/** What a key that is not known here was meant to be: a typing mistake, another product's word, or a key of another place. */

/** What other products call our keys; written without capitals, `_` and `-`. The first that is known at the place counts. */
const FOREIGN: Readonly<Record<string, readonly string[]>> = {
  // How often.
  interval: ['every'],
  scaninterval: ['every'],
  scanrate: ['every'],
  scantime: ['every'],
  pollinterval: ['every'],
  pollinginterval: ['every'],
  pollrate: ['every'],
  pollperiod: ['every'],
  polltime: ['every'],
  period: ['every'],
  refreshrate: ['every'],
  samplinginterval: ['every'],
  cycle: ['every'],
  cycletime: ['every'],
  frequency: ['every'],
  // The sections.
  northapps: ['sinks'],
  north: ['sinks'],
  outputs: ['sinks'],
  output: ['sinks'],
  destinations: ['sinks'],
  targets: ['sinks'],
  publishers: ['sinks'],
  exports: ['sinks'],
  southdevices: ['devices'],
  south: ['connections'],
  drivers: ['connections'],
  bus: ['connections', 'connection'],
  buses: ['connections'],
  channels: ['connections'],
  channel: ['connection', 'connections'],
  ports: ['connections'],
  interfaces: ['connections'],
  inputs: ['devices'],
  nodes: ['devices'],
  slaves: ['devices'],
  equipment: ['devices'],
  buffer: ['log'],
  storage: ['log'],
  cache: ['log'],
  storeandforward: ['log'],
  // Devices.
  slave: ['unitId'],
  slaveid: ['unitId'],
  slaveaddress: ['unitId'],
  unit: ['unitId'],
  unitid: ['unitId'],
  uid: ['unitId'],
  station: ['unitId'],
  stationid: ['unitId'],
  deviceid: ['unitId'],
  serveraddress: ['unitId'],
  template: ['profile'],
  devicetype: ['profile'],
  tags: ['groups'],
  metrics: ['tags'],
  // Tags.
  byteorder: ['order'],
  wordorder: ['order'],
  endianness: ['order'],
  endian: ['order'],
  swap: ['order'],
  register: ['address'],
  registeraddress: ['address'],
  offsetaddress: ['address'],
  datatype: ['type'],
  valuetype: ['type'],
  decimal: ['precision', 'scale'],
  decimals: ['precision'],
  digits: ['precision'],
  factor: ['scale'],
  multiplier: ['scale'],
  gain: ['scale'],
  ratio: ['scale'],
  bias: ['offset'],
  units: ['unit'],
  engineeringunit: ['unit'],
  readwrite: ['access'],
  attribute: ['access'],
  mode: ['access'],
  deadzone: ['deadband'],
  threshold: ['deadband'],
  invalid: ['noValue'],
  nanvalue: ['noValue'],
  nullvalue: ['noValue'],
  tagsfile: ['tags'],
  registers: ['tags'],
  points: ['tags'],
  datapoints: ['tags'],
  bit: ['bits'],
  bitmask: ['bits'],
  quantity: ['count', 'length'],
  // Connections.
  baud: ['baudRate'],
  baudrate: ['baudRate'],
  bitrate: ['baudRate'],
  speed: ['baudRate'],
  stopbits: ['stopBits'],
  databits: ['dataBits'],
  bytesize: ['dataBits'],
  device: ['port'],
  serialport: ['port'],
  tty: ['port'],
  address: ['host'],
  ip: ['host'],
  ipaddress: ['host'],
  hostname: ['host'],
  protocol: ['driver'],
  plugin: ['driver'],
  timeoutms: ['timeout'],
  responsetimeout: ['timeout'],
  maxretries: ['retries'],
  retry: ['retries'],
  // Sinks.
  server: ['url', 'host'],
  broker: ['url'],
  brokers: ['url'],
  servers: ['url'],
  endpoint: ['url'],
  user: ['username'],
  pass: ['password'],
  ssl: ['tls'],
  tlsca: ['tls'],
  cafile: ['ca'],
  certfile: ['cert'],
  keyfile: ['key'],
  skipverify: ['verify'],
  insecureskipverify: ['verify'],
  kind: ['type', 'driver'],
}

/** What is meant for a later version, by the name a person will try. */
const LATER: ReadonlySet<string> = new Set([
  'modbus-ascii',
  'sparkplug',
  'postgres',
  'timescaledb',
  'http',
  'kafka',
  'influx',
  'file',
  'opcua',
])

export interface Suggestion {
  readonly text: string
  /** The key that was meant, where it is plain. */
  readonly meant: string | undefined
}

/** The sentence about a key that is not known here. `elsewhere`: keys of other sections, by what has them. */
export function unknownKey(
  key: string,
  known: readonly string[],
  elsewhere: Readonly<Record<string, readonly string[]>> = {},
): Suggestion {
  const own = [...new Set(known)]
  const foreign = FOREIGN[key.toLowerCase().replace(/[_-]/g, '')]?.find((word) => own.includes(word))
  if (foreign !== undefined) return { text: `unknown key "${key}": here it is called "${foreign}"`, meant: foreign }
  const near = nearest(key, own)
  const [place] = Object.entries(elsewhere).find(([, keys]) => keys.includes(key)) ?? []
  if (near !== undefined && (place === undefined || distance(key, near) < 2)) {
    return { text: `unknown key "${key}": did you mean "${near}"?`, meant: near }
  }
  if (place !== undefined) return { text: `"${key}" does not belong here: it is a key of ${place}`, meant: undefined }
  return { text: `unknown key "${key}": expected ${oneOf(own)}`, meant: undefined }
}

/** The sentence about a driver, a type or another name that there is not. */
export function unknownName(noun: string, given: string, known: readonly string[]): Suggestion {
  if (LATER.has(given)) {
    return { text: `${noun} "${given}" is not available in this version: expected ${oneOf(known)}`, meant: undefined }
  }
  const near = nearest(given, known)
  const hint =
    near !== undefined ? `did you mean "${near}"?` : known.length === 0 ? 'there is none' : `expected ${oneOf(known)}`
  return { text: `there is no ${noun} "${given}": ${hint}`, meant: near }
}

function oneOf(words: readonly string[]): string {
  const shown = words.length > 24 ? [...words.slice(0, 20), '…'] : words
  return words.length === 1 ? words[0]! : `one of ${shown.join(', ')}`
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
