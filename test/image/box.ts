/** A box that runs Fieldgate, in the middle of its plant: slaves on its two wires, a broker beside it, and a disk that forgets. */
import type { ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Link } from '../peers/link.ts'
import { type Mosquitto, mosquitto, type Observer, observer } from '../peers/mosquitto.ts'
import { ended, freePort, started } from '../peers/processes.ts'
import { type Artefacts, bootWords, medium, put, shellCredentials } from './artefacts.ts'
import { VolatileDisk } from './disk.ts'
import { Guest } from './guest.ts'
import { Lamps } from './lamps.ts'
import { Received } from './receipts.ts'

const SLAVE = join(import.meta.dirname, 'slave.py')

/** A slave that can be switched off. */
export class Slave {
  readonly port: number
  /** When it was first read since it is up. */
  askedAt: number | undefined
  #child: ChildProcess | undefined

  static async on(): Promise<Slave> {
    const slave = new Slave(await freePort())
    await slave.up()
    return slave
  }

  private constructor(port: number) {
    this.port = port
  }

  async up(): Promise<void> {
    this.askedAt = undefined
    this.#child = await started('/usr/bin/python3', [SLAVE, String(this.port)], /ready/)
    this.#child.stdout!.on('data', (said: Buffer) => {
      if (said.includes('asked')) this.askedAt ??= performance.now()
    })
  }

  async down(): Promise<void> {
    if (this.#child !== undefined) await ended(this.#child)
    this.#child = undefined
  }
}

export class Plant {
  /** What the box calls its broker: it can be cut off, while what came stays with the witness. */
  readonly link: Link
  readonly #broker: Mosquitto
  readonly usb: Slave
  readonly pci: Slave
  readonly observer: Observer
  readonly received: Received

  static async up(): Promise<Plant> {
    const broker = await mosquitto(['allow_anonymous true', 'max_queued_messages 0', 'max_inflight_messages 0'])
    const seen = await observer(broker.port, ['-t', '#', '-V', '5', '-F', '%t %P %p'])
    const link = await Link.to(broker.port)
    return new Plant(broker, link, await Slave.on(), await Slave.on(), seen)
  }

  private constructor(broker: Mosquitto, link: Link, usb: Slave, pci: Slave, seen: Observer) {
    this.#broker = broker
    this.link = link
    this.usb = usb
    this.pci = pci
    this.observer = seen
    this.received = new Received(seen)
  }

  /** The reference chain on both wires, the broker on the host's side of the network. */
  configuration({ board = 'virt' } = {}): string {
    const tags = `{ temperature: { address: "40001", type: int16, unit: "°C" }, humidity: { address: "40002", type: uint16, unit: "%" } }`
    return `gateway: { id: guest }
board: ${board}
connections:
  usb: { driver: modbus-rtu, port: rs485-1, baudRate: 115200, timeout: 2s }
  pci: { driver: modbus-rtu, port: rs485-2, baudRate: 115200, timeout: 2s }
devices:
  usb_device: { connection: usb, unitId: 1, groups: { demo: { every: 1s, tags: ${tags} } } }
  pci_device: { connection: pci, unitId: 1, groups: { demo: { every: 1s, tags: ${tags} } } }
sinks:
  emqx: { type: mqtt, url: "mqtt://10.0.2.2:${this.link.port}", topic: "/neuron/{sink}/{device}/{group}" }
log: { path: /var/lib/fieldgate/log, quota: 64MiB }
`
  }

  async down(): Promise<void> {
    await this.usb.down()
    await this.pci.down()
    await this.observer.dispose()
    await this.link.stop()
    await this.#broker.dispose()
  }
}

const MEDIUM_MIB = 2560
const FIELD = 'fieldgate-field.service'
const UPLINK = 'fieldgate-uplink.service'

export class Box {
  readonly plant: Plant
  readonly medium: string
  readonly #folder: string
  readonly #parts: Artefacts
  readonly #patience: number
  #disk: VolatileDisk | undefined
  #guest: Guest | undefined
  #node = ''
  /** When it was last switched on. */
  #onAt = 0

  constructor(options: { folder: string; parts: Artefacts; plant: Plant; patience: number }) {
    this.plant = options.plant
    this.#folder = options.folder
    this.#parts = options.parts
    this.#patience = options.patience
    this.medium = join(options.folder, 'medium.img')
    medium(options.parts.image, this.medium, MEDIUM_MIB)
  }

  get guest(): Guest {
    if (this.#guest === undefined) throw new Error('the box is switched off')
    return this.#guest
  }

  get disk(): VolatileDisk {
    if (this.#disk === undefined) throw new Error('the box has never been switched on')
    return this.#disk
  }

  /** The runtime that the service itself runs on. */
  get node(): string {
    return this.#node
  }

  /** Until a moment, now without one. */
  secondsOn(at = performance.now()): number {
    return Math.round((at - this.#onAt) / 100) / 10
  }

  /** As a person does it: a file on the FAT partition. */
  provision(): void {
    const file = join(this.#folder, 'gateway.yaml')
    writeFileSync(file, this.plant.configuration())
    put(this.medium, file, 'fieldgate/gateway.yaml')
  }

  /** `isProtected`: the medium takes no write. */
  async on(way: 'firmware' | 'direct', { isProtected = false } = {}): Promise<void> {
    this.#disk ??= await VolatileDisk.on({ image: this.medium, path: join(this.#folder, 'disk.sock'), seed: 1 })
    this.#onAt = performance.now()
    const { plant } = this
    this.#guest = await Guest.start({
      folder: this.#folder,
      patience: this.#patience,
      wires: { usb: plant.usb.port, pci: plant.pci.port },
      words: [
        ...bootWords(way, this.#parts),
        ...[
          '-drive',
          `file=nbd+unix:///?socket=${this.#disk.path},format=raw,if=none,id=medium,cache=none${isProtected ? ',read-only=on' : ''}`,
        ],
        ...['-device', 'virtio-blk-pci,drive=medium'],
        ...['-netdev', 'user,id=net', '-device', 'virtio-net-pci,netdev=net'],
        ...['-device', 'virtio-rng-pci', '-device', 'i6300esb', '-action', 'watchdog=reset'],
        ...shellCredentials(this.#folder),
      ],
    })
  }

  /** Until values come and both halves are ready. The box is asked only when the witness has heard of it: each question costs it
   *  a second of its processor. */
  async ready(budgetMs = 150_000): Promise<void> {
    const { guest, plant } = this
    const before = plant.received.look().messages
    await guest.until('the first values', budgetMs, () => plant.received.look().messages > before || undefined)
    await guest.awake(60_000)
    await guest.do(
      `until systemctl is-active --quiet ${FIELD} && systemctl is-active --quiet ${UPLINK}; do sleep 3; done`,
      90_000,
    )
    this.#node = await guest.do(`readlink -f /proc/$(systemctl show -P MainPID ${FIELD})/exe`)
  }

  lamps(): Promise<Lamps> {
    return Lamps.in(this.guest, this.#node)
  }

  /** The plug is pulled: what the disk had not been told to keep is gone in part. */
  async cut(): Promise<void> {
    await this.guest.kill()
    await this.disk.cut()
    this.#guest = undefined
  }

  async off(): Promise<void> {
    if (this.#guest !== undefined) await this.#guest.kill()
    this.#guest = undefined
    await this.#disk?.stop()
    this.#disk = undefined
  }

  /** Shut down in good order. */
  async shutDown(): Promise<void> {
    await this.guest.ask('systemctl poweroff', 20_000).catch(() => undefined)
    await this.guest.gone(120_000)
    await this.disk.settle()
    this.#guest = undefined
  }
}
