/** `startup`: from exec to the first poll on the wire, above what `node -e 0` takes on this machine. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ended, freePort, service } from '../peers/processes.ts'
import { median, round } from './rounds.ts'

export async function run({ small }: { small: boolean }) {
  const rounds = small ? 3 : 11
  const folder = mkdtempSync(join(tmpdir(), 'fieldgate-startup-'))
  let asked: (() => void) | undefined
  const device = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.once('data', () => asked?.())
  })
  const port = await freePort()
  await new Promise<void>((resolve) => device.listen(port, '127.0.0.1', resolve))
  try {
    const file = join(folder, 'gateway.yaml')
    writeFileSync(
      file,
      `connections: { plc: { driver: modbus-tcp, host: 127.0.0.1, port: ${port} } }
devices:
  demo:
    connection: plc
    unitId: 1
    groups:
      demo_group:
        every: 1s
        tags: { temperature: { address: "40001", type: int16, scale: 0.1 }, humidity: { address: "40002", type: uint16 } }
sinks: { emqx: { type: mqtt, url: "mqtt://127.0.0.1:1" } }
log: { path: ${join(folder, 'log')} }
`,
    )
    const [command, words, env] = service('run', '--config', file)
    const bare: number[] = []
    const gateway: number[] = []
    // One start that is not counted: the first fills the compile cache, as installing the package does.
    for (let turn = -1; turn < rounds; turn++) {
      const emptyAt = performance.now()
      await new Promise((resolve) => spawn(process.execPath, ['-e', '0']).once('exit', resolve))
      const emptyMs = performance.now() - emptyAt
      const poll = new Promise<void>((resolve) => (asked = resolve))
      const at = performance.now()
      const child = spawn(command, words, { stdio: 'ignore', env: { ...process.env, ...env } })
      await poll
      const ms = performance.now() - at
      await ended(child)
      if (turn < 0) continue
      bare.push(emptyMs)
      gateway.push(ms)
    }
    const moreMs = median(gateway.map((ms, turn) => ms - bare[turn]!))
    return {
      bench: 'startup',
      target: 'first poll on the wire ≤ 500 ms after what `node -e 0` takes',
      verdict: moreMs <= 500 ? ('met' as const) : ('missed' as const),
      moreMs: round(moreMs, 0),
      firstPollMs: round(median(gateway), 0),
      nodeMs: round(median(bare), 0),
      rounds,
    }
  } finally {
    device.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
