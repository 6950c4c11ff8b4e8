/** Where a connection leads: one host, or two that stand in for each other. */

export class Hosts {
  readonly port: number
  readonly #hosts: readonly string[]
  #at = 0
  /** Failures since one of them was reached. */
  #failures = 0

  constructor(options: { host: string; backupHost?: string | undefined; port: number }) {
    const { host, backupHost, port } = options
    this.#hosts = backupHost === undefined ? [host] : [host, backupHost]
    this.port = port
  }

  get host(): string {
    return this.#hosts[this.#at]!
  }

  /** `192.0.2.1:502`, with a word when it is not the first. */
  get text(): string {
    const backup = this.#at === 0 ? '' : ` (the backup of ${this.#hosts[0]})`
    return `${this.host}:${this.port}${backup}`
  }

  reached(): void {
    this.#failures = 0
  }

  /** The present one cannot be reached, or is of no use any more: the other is next. True: it may be tried at once. */
  fail(): boolean {
    this.#failures++
    this.#at = (this.#at + 1) % this.#hosts.length
    return this.#failures % this.#hosts.length !== 0
  }
}
