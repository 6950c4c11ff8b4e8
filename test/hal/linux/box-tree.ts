/** A Linux box in a temporary folder: lamps, a watchdog, ports and processes as files, and a GPIO chip `expander` of 16 lines. */
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { LineFlag } from '../../../hal/linux/gpio/structures.ts'
import { Chips } from './gpio/chips.ts'

export class BoxTree extends Chips {
  constructor() {
    super([{ label: 'expander', lines: Array.from({ length: 16 }, (_, offset) => `GPIO${offset}`) }])
    for (const folder of ['proc', 'sys/class/leds', 'sys/class/watchdog', 'sys/class/tty']) {
      mkdirSync(join(this.root, folder), { recursive: true })
    }
  }

  file(path: string, text = ''): void {
    const whole = join(this.root, path)
    mkdirSync(dirname(whole), { recursive: true })
    writeFileSync(whole, text)
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), 'utf8').trim()
  }

  link(path: string, to: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true })
    symlinkSync(join(this.root, to), join(this.root, path))
  }

  /** Nobody may use it any more who is not root. */
  shut(path: string): void {
    chmodSync(join(this.root, path), 0)
  }

  lamp(name: string, triggers = '[none] timer pattern'): void {
    const folder = `sys/class/leds/${name}`
    this.file(`${folder}/brightness`, '0\n')
    this.file(`${folder}/max_brightness`, '1\n')
    this.file(`${folder}/trigger`, `${triggers}\n`)
  }

  lit(name: string): boolean {
    return Number(this.read(`sys/class/leds/${name}/brightness`)) > 0
  }

  /** A serial port with hardware behind it. */
  port(name: string, latency: number): void {
    this.file(`dev/${name}`)
    this.file(`sys/class/tty/${name}/device/latency_timer`, `${latency}\n`)
    this.file(`sys/class/tty/${name}/type`, '4\n')
  }

  /** Somebody else has the line. */
  busy(offset: number, consumer: string): void {
    const line = this.line(offset)
    line.consumer = consumer
    line.flags |= LineFlag.used
  }

  /** A process that has a file open. */
  process(pid: number, words: readonly string[], open: string): void {
    this.file(`proc/${pid}/cmdline`, words.join('\0'))
    this.file(`proc/${pid}/comm`, `${words[0]}\n`)
    this.link(`proc/${pid}/fd/7`, open)
  }
}
