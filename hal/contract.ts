/** The board as the service sees it: ports, lamps, a button, a watchdog. Which device each of them is, is data (`hal/boards/`). */

export type Unsubscribe = () => void

export interface LineSettings {
  readonly baudRate: number
  readonly dataBits: 7 | 8
  readonly parity: 'none' | 'even' | 'odd'
  readonly stopBits: 1 | 2
  /** Who switches the transmitter. Absent: as the board says, and where it says nothing the adapter does it by itself. */
  readonly rs485?: Rs485Settings
}

export interface Rs485Settings {
  /** `kernel`: TIOCSRS485; `gpio`: the line `enable`, by this process; `adapter`: the hardware by itself; `auto`: the kernel
   *  where the port can, else `enable` where there is one, else the adapter. */
  readonly mode: 'kernel' | 'gpio' | 'adapter' | 'auto'
  /** Driver enable (DE), active while sending. */
  readonly enable?: LineAddress
  /** Level of RTS while sending; default: as the device tree says, else high. */
  readonly rtsOnSend?: 'high' | 'low'
  /** Between enabling the transmitter and the first bit, and between the last bit and disabling it; the kernel counts whole
   *  milliseconds. */
  readonly delayBeforeMs?: number
  readonly delayAfterMs?: number
  /** Hears what it sends itself. */
  readonly receiveWhileSending?: boolean
  /** The termination resistor, where the kernel switches it. */
  readonly terminate?: boolean
}

/** A line of a GPIO chip. */
export interface LineAddress {
  /** Label (`pinctrl-rp1`), name (`gpiochip0`) or device file of the chip. Labels stay when kernels change, names do not. */
  readonly chip: string
  /** Offset, or the line's own name (`GPIO17`). */
  readonly line: number | string
  readonly activeLow?: boolean
  readonly bias?: 'pull-up' | 'pull-down' | 'none'
}

/** What is known of a port's hardware. */
export interface LineFacts {
  /** The device file or other name that was opened. */
  readonly device: string
  readonly gatedTransmitter: boolean | undefined
  readonly echo: boolean | undefined
  readonly lowLatency: boolean | undefined
}

/** A half-duplex line. Unplugged or failing: `onClose` listeners hear it once, with the reason; `open` may be called again. */
export interface SerialPort {
  /** Throws Retryable when the port is not there or busy. */
  open(settings: LineSettings): Promise<void>
  /** Resolves once the frame has left (after drain). Throws Retryable. */
  write(frame: Uint8Array): Promise<void>
  onData(listen: (chunk: Uint8Array, atMonotonic: number) => void): Unsubscribe
  onClose(listen: (why: string) => void): Unsubscribe
  /** Drops what has arrived and was not yet given to a listener, kernel buffer included. */
  flushInput(): Promise<void>
  close(): Promise<void>
  readonly facts: LineFacts
}

export type LedRole = 'SYS' | 'BUS' | 'NET' | 'HA'
export type Colour = 'off' | 'green' | 'amber' | 'red'

/** One lamp, of one or more colours. Faults are counted and said by the lamp's owner: both calls throw Retryable. */
export interface Led {
  /** What it can show beside `off`. An amber lamp may be one of its own, or red and green together. */
  readonly colours: readonly Colour[]
  /** From now on, until told otherwise. A write to sysfs or one ioctl: well below a millisecond. */
  show(colour: Colour): void
  /** The kernel repeats the steps by itself, also when this process hangs or is gone. false: it cannot, and nothing has changed. */
  blink(steps: readonly LedStep[]): boolean
  /** Gives the lamp back as it was found. */
  close(): void
}

export interface LedStep {
  readonly colour: Colour
  readonly ms: number
}

export interface Button {
  /** Held at this moment. */
  readonly pressed: boolean
  /** Debounced. */
  onChange(listen: (pressed: boolean, atMonotonic: number) => void): Unsubscribe
  close(): void
}

/** A timer in hardware that resets the box when it is not fed. */
export interface Watchdog {
  readonly timeoutMs: number
  feed(): void
  /** Magic close: the box lives on without it. Not possible where the kernel was built with NOWAYOUT; then it throws. */
  disarm(): void
}

/** A board is data: which device is `rs485-1`, which lamp is BUS, which line is the button. */
export interface BoardDescription {
  readonly name: string
  readonly title: string
  /** What `/proc/device-tree/model` or the DMI product name begins with, or a word of `/proc/device-tree/compatible`. */
  readonly models: readonly string[]
  readonly ports: Readonly<Record<string, PortDescription>>
  readonly leds: Readonly<Partial<Record<LedRole, LedDescription>>>
  /** `reset: allowed`: held for 15 s it wipes the box, what is not delivered included. */
  readonly button?: LineAddress & { readonly debounceMs?: number; readonly reset?: 'allowed' | 'refused' }
  readonly watchdog?: WatchdogDescription
}

export interface WatchdogDescription {
  readonly device: string
  readonly timeoutMs: number
  /** No watchdog of the kernel's: it is fed by toggling a bit of the process image that `device` (piControl) has. */
  readonly toggle?: { readonly variable: string; readonly bit: number }
}

export interface PortDescription {
  /** Device files, globs or stable names, first one found first. */
  readonly devices: readonly string[]
  readonly rs485?: Rs485Settings
  /** For people: which terminal it is. */
  readonly text?: string
}

/** One way a colour: a kernel lamp by its name below `/sys/class/leds`, or a bare line. */
export type LedDescription = Readonly<Partial<Record<Exclude<Colour, 'off'>, LampAddress>>>
export type LampAddress = { readonly led: string } | { readonly gpio: LineAddress }

/** What was found of what the description names. */
export interface BoardReport {
  readonly board: string
  readonly title: string
  /** As the box calls itself. */
  readonly model: string | null
  readonly kernel: string
  readonly parts: readonly PartReport[]
}

export interface PartReport {
  readonly part: 'port' | 'led' | 'button' | 'watchdog' | 'chip' | 'board' | 'storage'
  /** `rs485-1`, `SYS`, …; of the storage, the folder of the log. */
  readonly name: string
  readonly device: string | null
  /** `in use`: by another program; what Fieldgate has, or systemd of a watchdog, is found. `refused`: no rights. */
  readonly state: 'found' | 'in use' | 'missing' | 'refused' | 'broken'
  /** What, why, what to do. */
  readonly text: string
}

/** What the box is like at a moment, as far as its kernel tells. */
export interface Machine {
  /** Of the hottest zone, and where the kernel begins to slow that one down. */
  readonly celsius?: number
  readonly tripCelsius?: number
  /** The processor runs slower than it could, and why. */
  readonly throttled?: 'heat' | 'voltage'
  readonly storages: readonly StorageReport[]
  /** All but the loopback. */
  readonly links: readonly NetworkLink[]
}

export interface StorageReport {
  /** What was asked about. */
  readonly path: string
  readonly readOnly: boolean
  /** What is written there is lost with the power. */
  readonly inMemory: boolean
  readonly freeBytes: number
  readonly totalBytes: number
  /** Of flash memory, 0–1, where it tells. */
  readonly lifeUsed?: number
}

export interface NetworkLink {
  readonly name: string
  readonly carrier: boolean
  /** Without those that are good for the own segment only. */
  readonly addresses: number
}

/** All that a driver sees of a board. */
export interface Ports {
  readonly name: string
  /** By the board's name for it (`rs485-1`), a device path, or a stable `/dev/serial/by-id` name. */
  serial(name: string): SerialPort
}

export interface Board extends Ports {
  /** undefined: the board has none for this role. */
  led(role: LedRole): Led | undefined
  button(): Button | undefined
  watchdog(): Watchdog | undefined
  describe(): Promise<BoardReport>
  /** Lamps, lines and the watchdog are given back. Ports are their openers' to close. */
  close(): Promise<void>
}
