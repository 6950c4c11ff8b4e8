/** Gets the other people's parts that the tests run against, where this machine allows it; else names the one command. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const PEERS: readonly { readonly package: string; readonly proof: string }[] = [
  { package: 'mosquitto', proof: '/usr/sbin/mosquitto' },
  { package: 'mosquitto-clients', proof: '/usr/bin/mosquitto_sub' },
  { package: 'mbpoll', proof: '/usr/bin/mbpoll' },
  { package: 'libmodbus-dev', proof: '/usr/include/modbus/modbus.h' },
  { package: 'faketime', proof: '/usr/bin/faketime' },
  { package: 'gcc', proof: '/usr/bin/gcc' },
  { package: 'python3', proof: '/usr/bin/python3' },
  { package: 'python3-pymodbus', proof: '/usr/lib/python3/dist-packages/pymodbus/version.py' },
  { package: 'python3-serial-asyncio', proof: '/usr/lib/python3/dist-packages/serial_asyncio/__init__.py' },
  { package: 'socat', proof: '/usr/bin/socat' },
  { package: 'openssl', proof: '/usr/bin/openssl' },
  { package: 'tshark', proof: '/usr/bin/tshark' },
]

const missing = (): string[] => PEERS.filter(({ proof }) => !existsSync(proof)).map((peer) => peer.package)

let wanted = missing()
if (wanted.length > 0 && existsSync('/usr/bin/apt-get')) {
  const root = process.getuid?.() === 0
  const sudo = !root && spawnSync('sudo', ['-n', 'true']).status === 0
  if (root || sudo) {
    console.error(`peers: installing ${wanted.join(' ')}`)
    const run = (...words: string[]): void => {
      const line = sudo ? ['sudo', ...words] : words
      spawnSync(line[0]!, line.slice(1), {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      })
    }
    run('apt-get', '-q', 'update')
    run('apt-get', '-q', 'install', '-y', '--no-install-recommends', ...wanted)
    wanted = missing()
  }
}
if (wanted.length > 0) {
  console.error(`peers: MISSING, their tests are skipped and counted: ${wanted.join(' ')}`)
  console.error(`peers: get them with: sudo apt-get update && sudo apt-get install -y ${wanted.join(' ')}`)
} else {
  console.error(`peers: all ${PEERS.length} are here`)
}
