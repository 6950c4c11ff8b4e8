/** What the GPIO character device (version 2) is asked and answers: numbers and structures of <linux/gpio.h>, as little-endian
 *  bytes. Each request is for one line. */

/** `_IOC` of <asm-generic/ioctl.h>, with the type 0xB4. */
function request(direction: 'read' | 'both', number: number, size: number): number {
  return (((direction === 'both' ? 3 : 2) << 30) | (size << 16) | (0xb4 << 8) | number) >>> 0
}

/** `GPIO_MAX_NAME_SIZE`, the closing zero included. */
const NAME_BYTES = 32
/** `GPIO_V2_LINES_MAX`: room for as many offsets stands in each request. */
const LINES_MAX = 64

export const CHIP_INFO_BYTES = 2 * NAME_BYTES + 4
const ATTRIBUTE_BYTES = 16
const CONFIG_ATTRIBUTE_BYTES = ATTRIBUTE_BYTES + 8
/** `GPIO_V2_LINE_NUM_ATTRS_MAX` of them close a configuration. */
const ATTRIBUTES_MAX = 10
export const LINE_CONFIG_BYTES = 8 + 4 + 5 * 4 + ATTRIBUTES_MAX * CONFIG_ATTRIBUTE_BYTES
export const LINE_REQUEST_BYTES = LINES_MAX * 4 + NAME_BYTES + LINE_CONFIG_BYTES + 4 + 4 + 5 * 4 + 4
export const LINE_INFO_BYTES = 2 * NAME_BYTES + 4 + 4 + 8 + ATTRIBUTES_MAX * ATTRIBUTE_BYTES + 4 * 4
export const LINE_VALUES_BYTES = 16
export const LINE_EVENT_BYTES = 8 + 4 * 4 + 6 * 4

/** The calls, by what <linux/gpio.h> names them. */
export const GPIO_GET_CHIPINFO_IOCTL = request('read', 0x01, CHIP_INFO_BYTES)
export const GPIO_V2_GET_LINEINFO_IOCTL = request('both', 0x05, LINE_INFO_BYTES)
export const GPIO_V2_GET_LINE_IOCTL = request('both', 0x07, LINE_REQUEST_BYTES)
export const GPIO_V2_LINE_SET_CONFIG_IOCTL = request('both', 0x0d, LINE_CONFIG_BYTES)
export const GPIO_V2_LINE_GET_VALUES_IOCTL = request('both', 0x0e, LINE_VALUES_BYTES)
export const GPIO_V2_LINE_SET_VALUES_IOCTL = request('both', 0x0f, LINE_VALUES_BYTES)

/** `enum gpio_v2_line_flag`. */
export const LineFlag = {
  used: 1 << 0,
  activeLow: 1 << 1,
  input: 1 << 2,
  output: 1 << 3,
  edgeRising: 1 << 4,
  edgeFalling: 1 << 5,
  pullUp: 1 << 8,
  pullDown: 1 << 9,
  biasDisabled: 1 << 10,
} as const

/** `enum gpio_v2_line_attr_id`. */
const ATTRIBUTE_OUTPUT_VALUES = 2
const ATTRIBUTE_DEBOUNCE = 3

const text = new TextEncoder()

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function name(bytes: Uint8Array, offset: number): string {
  const field = bytes.subarray(offset, offset + NAME_BYTES)
  const end = field.indexOf(0)
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end))
}

export interface ChipInfo {
  /** `gpiochip0` */
  readonly name: string
  /** `pinctrl-rp1`; may be empty. */
  readonly label: string
  readonly lines: number
}

/** `struct gpiochip_info`. */
export function decodeChipInfo(bytes: Uint8Array): ChipInfo {
  return {
    name: name(bytes, 0),
    label: name(bytes, NAME_BYTES),
    lines: view(bytes).getUint32(2 * NAME_BYTES, true),
  }
}

/** The question of GPIO_V2_GET_LINEINFO_IOCTL; its answer is written in its place. */
export function askLineInfo(offset: number): Uint8Array {
  const bytes = new Uint8Array(LINE_INFO_BYTES)
  view(bytes).setUint32(2 * NAME_BYTES, offset, true)
  return bytes
}

export interface LineInfo {
  readonly offset: number
  /** `GPIO17`; may be empty. */
  readonly name: string
  /** Who uses it; may be empty also while it is used. */
  readonly consumer: string
  /** LineFlag, added together. */
  readonly flags: number
}

/** `struct gpio_v2_line_info`, without its attributes. */
export function decodeLineInfo(bytes: Uint8Array): LineInfo {
  return {
    offset: view(bytes).getUint32(2 * NAME_BYTES, true),
    name: name(bytes, 0),
    consumer: name(bytes, NAME_BYTES),
    flags: Number(view(bytes).getBigUint64(2 * NAME_BYTES + 8, true)),
  }
}

export interface LineConfig {
  /** LineFlag, added together. */
  readonly flags: number
  /** First level of an output, active or not. */
  readonly active?: boolean
  /** Changes that are shorter are no edges. */
  readonly debounceUs?: number
}

/** `struct gpio_v2_line_config`. */
export function encodeLineConfig(config: LineConfig): Uint8Array {
  const bytes = new Uint8Array(LINE_CONFIG_BYTES)
  const fields = view(bytes)
  fields.setBigUint64(0, BigInt(config.flags), true)
  let attributes = 0
  const attribute = (id: number, value: number): void => {
    const at = 8 + 4 + 5 * 4 + attributes * CONFIG_ATTRIBUTE_BYTES
    fields.setUint32(at, id, true)
    fields.setUint32(at + 8, value, true)
    // The only line of the request.
    fields.setUint32(at + ATTRIBUTE_BYTES, 1, true)
    attributes += 1
  }
  if (config.active !== undefined) attribute(ATTRIBUTE_OUTPUT_VALUES, config.active ? 1 : 0)
  if (config.debounceUs !== undefined) attribute(ATTRIBUTE_DEBOUNCE, config.debounceUs)
  fields.setUint32(8, attributes, true)
  return bytes
}

const CONFIG_AT = LINES_MAX * 4 + NAME_BYTES
const LINES_AT = CONFIG_AT + LINE_CONFIG_BYTES

/** `struct gpio_v2_line_request`; `consumer` is cut to 31 bytes. */
export function encodeLineRequest(options: {
  readonly offset: number
  readonly consumer: string
  readonly config: LineConfig
}): Uint8Array {
  const bytes = new Uint8Array(LINE_REQUEST_BYTES)
  const fields = view(bytes)
  fields.setUint32(0, options.offset, true)
  bytes.set(text.encode(options.consumer).subarray(0, NAME_BYTES - 1), LINES_MAX * 4)
  bytes.set(encodeLineConfig(options.config), CONFIG_AT)
  fields.setUint32(LINES_AT, 1, true)
  return bytes
}

/** What GPIO_V2_GET_LINE_IOCTL wrote into the request: the file descriptor of the line. */
export function lineDescriptor(bytes: Uint8Array): number {
  return view(bytes).getInt32(LINE_REQUEST_BYTES - 4, true)
}

/** `struct gpio_v2_line_values`: of the only line of a request. */
export function encodeLineValue(active: boolean): Uint8Array {
  const bytes = new Uint8Array(LINE_VALUES_BYTES)
  bytes[0] = active ? 1 : 0
  bytes[8] = 1
  return bytes
}

export function decodeLineValue(bytes: Uint8Array): boolean {
  return (bytes[0]! & 1) === 1
}

export interface LineEvent {
  /** Became active. */
  readonly active: boolean
  /** CLOCK_MONOTONIC, milliseconds. */
  readonly at: number
  /** Counts the edges of the line from 1: a hole in it is an edge that was lost. */
  readonly number: number
}

/** As many `struct gpio_v2_line_event` as the bytes hold. */
export function decodeLineEvents(bytes: Uint8Array): LineEvent[] {
  const fields = view(bytes)
  return Array.from({ length: Math.floor(bytes.length / LINE_EVENT_BYTES) }, (_, index) => {
    const at = index * LINE_EVENT_BYTES
    return {
      active: fields.getUint32(at + 8, true) === 1,
      at: Number(fields.getBigUint64(at, true)) / 1e6,
      number: fields.getUint32(at + 20, true),
    }
  })
}
