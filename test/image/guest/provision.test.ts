/** Set-up from a medium: all of it or nothing, checked before it is taken, and gone from the medium afterwards. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Options, provision } from '../../../image/guest/provision.ts'

const IN_FORCE = 'gateway: { name: before }\n'

/** A box with a configuration in force, and a medium with these files. */
function box(files: Readonly<Record<string, string>>): Options {
  const root = mkdtempSync(join(tmpdir(), 'fieldgate-set-up-'))
  const lay = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  lay('etc/fieldgate/gateway.yaml', IN_FORCE)
  lay('medium/fieldgate/how-to.txt', 'how')
  for (const [path, text] of Object.entries(files)) lay(join('medium', path), text)
  return {
    medium: join(root, 'medium'),
    root,
    keep: false,
    check: () => '',
    give: () => undefined,
    now: '2026-01-01T00:00:00.000Z',
  }
}

const read = ({ root }: Options, path: string): string => readFileSync(join(root, path), 'utf8')
const inForce = (options: Options): string => read(options, 'etc/fieldgate/gateway.yaml')

describe('set-up', () => {
  it('that is sound is taken, readable to the gateway alone, and removed from the medium', async () => {
    const options = box({ 'fieldgate/gateway.yaml': 'gateway: {}\n', 'fieldgate/certificates/ca.pem': 'CA' })
    expect((await provision(options)).taken).toBe(true)
    expect(inForce(options)).toBe('gateway: {}\n')
    expect(read(options, 'etc/fieldgate/certificates/ca.pem')).toBe('CA')
    expect(statSync(join(options.root, 'etc/fieldgate/gateway.yaml')).mode & 0o777).toBe(0o640)
    expect(existsSync(join(options.medium, 'fieldgate/gateway.yaml'))).toBe(false)
    expect(existsSync(join(options.medium, 'fieldgate/how-to.txt'))).toBe(true)
    expect(read(options, 'medium/fieldgate/report.txt')).toMatch(/Taken:\r\n.*ca\.pem {2}sha256 [0-9a-f]{64}/)
  })

  it('that fails its check changes nothing, stays where it is, and the report says where it is wrong', async () => {
    const options = box({ 'fieldgate/gateway.yaml': 'gateway: 5\n' })
    const looked: string[] = []
    const check = (file: string): string => {
      looked.push(readFileSync(file, 'utf8'))
      return `${file}:1:10: expected keys`
    }
    expect((await provision({ ...options, check })).taken).toBe(false)
    expect(looked).toEqual(['gateway: 5\n'])
    expect(inForce(options)).toBe(IN_FORCE)
    expect(read(options, 'medium/fieldgate/gateway.yaml')).toBe('gateway: 5\n')
    expect(read(options, 'medium/fieldgate/report.txt')).toMatch(
      /goes on as it was.*\r\n\r\ngateway\.yaml:1:10: expected keys/,
    )
    expect(existsSync(join(options.root, 'data/set-up.new'))).toBe(false)
  })

  it('is checked beside what is in force already: a file that only names a certificate brought earlier is sound', async () => {
    const options = box({ 'gateway.yaml': 'gateway: {}\n' })
    writeFileSync(join(options.root, 'etc/fieldgate/ca.pem'), 'CA')
    const check = (file: string): string => (existsSync(join(dirname(file), 'ca.pem')) ? '' : 'ca.pem is missing')
    expect((await provision({ ...options, check })).taken).toBe(true)
  })

  it('of the box becomes files of systemd and sshd', async () => {
    const options = box({
      'fieldgate/box.yaml':
        'hostname: gw-17\ntime: [192.0.2.1]\nssh: ["ssh-ed25519 AAAA me"]\n' +
        'network:\n  eth0: { addresses: [192.0.2.17/24], gateway: 192.0.2.1, dns: [192.0.2.2] }\n  eth1: { dhcp: true }\n',
    })
    expect((await provision(options)).taken).toBe(true)
    expect(inForce(options)).toBe(IN_FORCE)
    expect(read(options, 'etc/hostname')).toBe('gw-17\n')
    expect(read(options, 'data/hostname')).toBe('gw-17\n')
    expect(read(options, 'etc/systemd/network/10-eth0.network')).toMatch(
      /Address=192.0.2.17\/24\nGateway=192.0.2.1\nDNS=/,
    )
    expect(read(options, 'etc/systemd/network/10-eth1.network')).toMatch(/DHCP=yes/)
    expect(read(options, 'etc/ssh/kept/authorized_keys')).toBe('ssh-ed25519 AAAA me\n')
    expect(statSync(join(options.root, 'etc/ssh/kept/authorized_keys')).mode & 0o777).toBe(0o600)
    expect(read(options, 'etc/systemd/timesyncd.conf.d/10-set-up.conf')).toBe('[Time]\nNTP=192.0.2.1\n')
  })

  it.each([
    ['hostname: "gw 17"\n', 'box.yaml:1:11: hostname: expected letters'],
    [
      'network:\n  eth0: { addresses: [192.0.2.17] }\n',
      'box.yaml:2:23: network.eth0.addresses.0: expected an address with',
    ],
    ['network:\n  eth0: { dhcp: true, addresses: [192.0.2.17/24] }\n', 'network.eth0: expected either'],
    ['network:\n  "eth0\\nExecStart=x": { dhcp: true }\n', 'expected the name of a port'],
    ['ssh: ["ssh-ed25519 AAAA\\ncommand"]\n', 'expected a public key'],
    ['hostname: [\n', /box\.yaml:\d+:\d+: /],
    ['colour: red\n', 'colour'],
  ])('of the box that says %j is refused with its place, and the rest is not taken either', async (text, said) => {
    const options = box({ 'fieldgate/box.yaml': text, 'fieldgate/gateway.yaml': 'gateway: {}\n' })
    const { taken, report } = await provision(options)
    expect(taken).toBe(false)
    expect(report).toMatch(typeof said === 'string' ? new RegExp(said.replaceAll('.', '\\.')) : said)
    expect(inForce(options)).toBe(IN_FORCE)
  })

  it('stays on the medium of a box that cannot keep it', async () => {
    const options = box({ 'fieldgate.yaml': 'gateway: {}\n' })
    const { taken, report } = await provision({ ...options, keep: true })
    expect(taken).toBe(true)
    expect(inForce(options)).toBe('gateway: {}\n')
    expect(existsSync(join(options.medium, 'fieldgate.yaml'))).toBe(true)
    expect(report).toMatch(/It was left here/)
  })

  it('with more than anybody needs, two files for one place, or a link, is refused', async () => {
    const many = Object.fromEntries(Array.from({ length: 201 }, (_, at) => [`fieldgate/${at}.pem`, 'x']))
    expect((await provision(box(many))).report).toMatch(/more than 200 files or 16 MB/)
    const two = box({ 'fieldgate/gateway.yaml': 'a: 1\n', 'gateway.yaml': 'b: 1\n' })
    expect((await provision(two)).report).toMatch(/two files that would be gateway\.yaml/)
    const linked = box({})
    symlinkSync('/etc/shadow', join(linked.medium, 'fieldgate/key.pem'))
    expect((await provision(linked)).report).toMatch(/key\.pem:1:1: this is no plain file/)
  })
})
