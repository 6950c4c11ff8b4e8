/** Telegraf's `inputs.modbus`, in its three styles: register, request and metric. */
import { parse, TomlError } from 'smol-toml'
import { Rejected } from '../../contracts/errors.ts'
import { durationText, Findings, given, isMap, type Keys, Reference } from './findings.ts'
import { Field, type Register, tagOf } from './telegraf-field.ts'
import { rs485Of } from './telegraf-rs485.ts'

export function fromTelegraf(text: string, file: string): Findings {
  let root: Keys
  try {
    root = plain(parse(text)) as Keys
  } catch (thrown) {
    if (!(thrown instanceof TomlError)) throw thrown
    throw new Rejected(`${file}:${thrown.line}:${thrown.column}: this is not TOML: ${thrown.message.split('\n')[0]}`)
  }
  const inputs = isMap(root.inputs) ? root.inputs : {}
  const plugins = [inputs.modbus ?? []].flat().filter(isMap)
  if (plugins.length === 0) throw new Rejected(`${file}: there is no [[inputs.modbus]] in it`)
  const findings = new Findings()
  const agent = isMap(root.agent) ? root.agent : {}
  plugins.forEach((plugin, at) => {
    new Plugin({ findings, plugin, agent, place: `[[inputs.modbus]] ${at + 1}` }).read()
  })
  for (const key of Object.keys(root)) {
    if (!['agent', 'inputs'].includes(key)) findings.note(`[${key}]`, 'is not about Modbus: not carried over')
  }
  for (const key of Object.keys(inputs)) {
    if (key !== 'modbus') findings.note(`[[inputs.${key}]]`, 'is another plugin: not carried over')
  }
  return findings
}

/** The parser's tables are objects without a prototype: they have no text. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date) return String(value)
  return Object.fromEntries(Object.entries(value).map(([key, below]) => [key, plain(below)]))
}

/** Keys of the plugin that are read; of others it is said that they are not. */
const KNOWN = new Set(
  `name slave_id timeout busy_retries busy_retries_wait controller baud_rate data_bits parity stop_bits transmission_mode
  configuration_type discrete_inputs coils holding_registers input_registers request metric workarounds interval tags optimization rs485
  optimization_max_register_fill debug_connection log_level exclude_register_type_tag`.split(/\s+/),
)
const PARITY: Readonly<Record<string, string>> = { N: 'none', E: 'even', O: 'odd' }
const STYLES = ['register', 'request', 'metric'] as const

class Plugin {
  readonly #findings: Findings
  readonly #plugin: Keys
  readonly #agent: Keys
  readonly #place: string
  readonly #devices = new Map<number, string>()
  #connection = ''
  #slaves = 1

  constructor(options: { findings: Findings; plugin: Keys; agent: Keys; place: string }) {
    this.#findings = options.findings
    this.#plugin = options.plugin
    this.#agent = options.agent
    this.#place = options.place
  }

  read(): void {
    const plugin = this.#plugin
    const style = String(plugin.configuration_type ?? 'register')
    if (!STYLES.includes(style as 'register')) {
      this.#note(
        `configuration_type "${style}" is unknown: expected ${STYLES.join(', ')}; nothing of this plugin is carried over`,
      )
      return
    }
    for (const key of Object.keys(plugin)) if (!KNOWN.has(key)) this.#note(`${key} is not carried over`)
    for (const [other, keys] of [
      ['register', ['coils', 'discrete_inputs', 'holding_registers', 'input_registers']],
      ['request', ['request']],
      ['metric', ['metric']],
    ] as const) {
      for (const key of keys) {
        if (other !== style && plugin[key] !== undefined)
          this.#note(
            `${key} belongs to the ${other} style; with configuration_type "${style}" Telegraf does not read it either`,
          )
      }
    }
    const connection = this.#wire()
    if (connection === undefined) return
    this.#connection = this.#findings.connection(connection.name, connection.keys, this.#place)
    if (style === 'register') this.#registers()
    else this.#sections(style as 'request' | 'metric')
  }

  #note(text: string, below = ''): void {
    this.#findings.note(below === '' ? this.#place : `${this.#place}, ${below}`, text)
  }

  #wire(): { name: string; keys: Keys } | undefined {
    const { controller, transmission_mode, workarounds, tags: _, ...plugin } = this.#plugin
    const mode = String(transmission_mode ?? 'auto')
    const around = isMap(workarounds) ? workarounds : {}
    const common = given({
      timeout: this.#duration(plugin.timeout, 'timeout') ?? '1s',
      pause: this.#duration(around.pause_between_requests, 'pause_between_requests'),
      pauseAfterConnect: this.#duration(around.pause_after_connect, 'pause_after_connect'),
      connect: around.close_connection_after_gather === true ? 'per-cycle' : undefined,
      maxBits: around.max_bit_registers_per_request,
      maxRegisters: around.one_request_per_field === true ? undefined : around.max_word_registers_per_request,
    })
    for (const [key, value] of Object.entries(around)) {
      if (['one_request_per_field', 'read_coils_starting_at_zero'].includes(key) && value === true) {
        this.#note(`workarounds.${key} has no counterpart: requests are planned, neighbours are read together`)
      } else if (!/^(pause_|close_|max_|string_register|one_request|read_coils)/.test(key))
        this.#note(`workarounds.${key} is not carried over`)
    }
    if (typeof plugin.busy_retries === 'number' && plugin.busy_retries > 0) {
      this.#note(
        'busy_retries: a device that is busy is asked again here without being told; busy_retries_wait is not carried over',
      )
    }
    // Telegraf puts its environment in as ${NAME} or $NAME.
    const address = String(controller ?? '').replace(
      /\$\{(\w+)\}|\$(\w+)/g,
      (_, braced?: string, bare?: string) => `\${env:${braced ?? bare}}`,
    )
    const tcp = /^tcp:\/\/(\[[^\]]+\]|\$\{env:\w+\}|[^:/]+)(?::(\d+))?\/?$/.exec(address)
    if (tcp !== null) {
      if (plugin.rs485 !== undefined)
        this.#note('rs485 belongs to a serial line; Telegraf does not read it here either')
      const driver = { auto: 'modbus-tcp', tcp: 'modbus-tcp', rtuovertcp: 'modbus-rtu-over-tcp' }[mode.toLowerCase()]
      if (driver === undefined) {
        this.#note(`transmission_mode "${mode}" is not available here; nothing of this plugin is carried over`)
        return undefined
      }
      const host = tcp[1]!.replace(/^\[|\]$/g, '')
      return {
        name: host.replaceAll(':', '-'),
        keys: {
          driver,
          host: host.startsWith('$') ? new Reference(host) : host,
          port: Number(tcp[2] ?? 502),
          ...common,
        },
      }
    }
    const path = /^file:\/\/(.+)$/.exec(address)?.[1] ?? (/^(COM\d+|\/dev\/.+)$/.test(address) ? address : undefined)
    if (path === undefined) {
      this.#note(
        `controller "${address}" is no tcp://HOST:PORT and no file:///DEVICE; nothing of this plugin is carried over`,
      )
      return undefined
    }
    if (!['auto', 'rtu', 'ascii'].includes(mode.toLowerCase())) {
      this.#note(`transmission_mode "${mode}" is not available here; nothing of this plugin is carried over`)
      return undefined
    }
    if (plugin.baud_rate === undefined) this.#note('baud_rate is not given: 19200, as Telegraf takes it')
    if (plugin.parity === undefined) this.#note('parity is not given: even, as Telegraf takes it')
    const line = given({
      driver: mode.toLowerCase() === 'ascii' ? 'modbus-ascii' : 'modbus-rtu',
      port: path,
      baudRate: plugin.baud_rate ?? 19_200,
      parity: PARITY[String(plugin.parity ?? 'E').toUpperCase()] ?? 'even',
      dataBits: plugin.data_bits === 8 ? undefined : plugin.data_bits,
      stopBits: plugin.stop_bits ?? 1,
      rs485: rs485Of(plugin.rs485, {
        duration: (value, key) => this.#duration(value, key),
        note: (text) => this.#note(text),
      }),
    })
    return { name: path.split('/').at(-1)!, keys: { ...line, ...common } }
  }

  #device(slave: number): string {
    const known = this.#devices.get(slave)
    if (known !== undefined) return known
    const own = String(this.#plugin.name ?? 'modbus')
    const wished = this.#slaves > 1 ? `${own}-${slave}` : own
    const tags = isMap(this.#plugin.tags) ? this.#plugin.tags : undefined
    const keys = given({ connection: this.#connection, unitId: slave, maxGap: this.#gap(this.#plugin), labels: tags })
    const name = this.#findings.device(wished, keys, this.#place)
    this.#devices.set(slave, name)
    return name
  }

  #gap(keys: Keys): number | undefined {
    if (keys.optimization === 'max_insert') return Number(keys.optimization_max_register_fill ?? 50)
    return undefined
  }

  #registers(): void {
    const { slave_id: slave, ...plugin } = this.#plugin
    if (typeof slave !== 'number') this.#note('slave_id is not given: 0, as Telegraf takes it')
    const lists: readonly (readonly [string, Register])[] = [
      ['discrete_inputs', 'discrete'],
      ['coils', 'coil'],
      ['holding_registers', 'holding'],
      ['input_registers', 'input'],
    ]
    for (const [key, register] of lists) {
      for (const one of [plugin[key] ?? []].flat().filter(isMap)) {
        const addresses = [one.address ?? []].flat() as number[]
        this.#field(
          {
            ...one,
            register,
            address: addresses[0],
            words: addresses.length,
            type: one.data_type,
            order: one.byte_order,
            addresses,
          },
          Number(slave ?? 0),
          {},
          key,
        )
      }
    }
  }

  #sections(style: 'request' | 'metric'): void {
    const sections = [this.#plugin[style] ?? []].flat().filter(isMap)
    this.#slaves = new Set(sections.map(({ slave_id }) => slave_id ?? 0)).size
    sections.forEach((section, at) => {
      const below = `${style} ${at + 1}`
      const {
        slave_id: slave = 0,
        byte_order: order = 'ABCD',
        register,
        measurement,
        tags,
        fields,
        optimization,
        ...rest
      } = section
      for (const key of Object.keys(rest))
        if (key !== 'optimization_max_register_fill') this.#note(`${key} is not carried over`, below)
      const list = [fields ?? []].flat().filter(isMap)
      if (list.length === 0) this.#note('has no fields', below)
      const omitted = list.filter(({ omit }) => omit === true).length
      if (omitted > 0)
        this.#note(
          `${omitted} omitted field${omitted === 1 ? '' : 's'}: set maxGap on the device where such holes may be read along`,
          below,
        )
      for (const one of list) {
        if (one.omit === true) continue
        const keys = {
          order,
          measurement,
          ...one,
          register: style === 'request' ? (register ?? 'holding') : (one.register ?? 'holding'),
        }
        this.#field(keys, Number(slave), isMap(tags) ? tags : {}, below)
      }
      const gap = this.#gap(section)
      if (gap !== undefined && this.#devices.has(Number(slave))) {
        this.#findings.devices.get(this.#devices.get(Number(slave))!)!.keys.maxGap = gap
      } else if (optimization === 'aggressive' || optimization === 'rearrange') {
        this.#note(
          `optimization "${String(optimization)}" is not carried over: set maxGap on the device where holes may be read along`,
          below,
        )
      }
    })
  }

  #field(keys: Keys, slave: number, labels: Keys, below: string): void {
    const place = `${this.#place}, ${below} "${String(keys.name ?? '')}"`
    const around = isMap(this.#plugin.workarounds) ? this.#plugin.workarounds : {}
    const field = Field(keys, String(around.string_register_location ?? ''))
    const found = tagOf(field, (text) => this.#findings.note(place, text))
    if (found === undefined) return
    const device = this.#device(slave)
    const measurement = String(keys.measurement || 'modbus')
    const group = this.#findings.name(measurement, new Map(), place)
    this.#findings.group(device, group, given({ every: this.#every() }))
    const tag = Object.keys(labels).length === 0 ? found : { ...found, labels }
    this.#findings.tag(device, group, String(keys.name), tag, place)
  }

  #every(): string {
    return this.#duration(this.#plugin.interval ?? this.#agent.interval, 'interval') ?? '10s'
  }

  /** Go's durations, and bare numbers, which are seconds. */
  #duration(value: unknown, key: string): string | undefined {
    if (value === undefined) return undefined
    if (typeof value === 'number') return durationText(Math.round(value * 1000))
    const parts = [...String(value).matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)]
    const size: Readonly<Record<string, number>> = {
      ns: 1e-6,
      us: 1e-3,
      µs: 1e-3,
      ms: 1,
      s: 1000,
      m: 60_000,
      h: 3_600_000,
    }
    if (parts.length === 0 || parts.map(([whole]) => whole).join('') !== value) {
      this.#note(`${key} "${String(value)}" is no duration`)
      return undefined
    }
    return durationText(Math.round(parts.reduce((sum, [, count, unit]) => sum + Number(count) * size[unit!]!, 0)))
  }
}
