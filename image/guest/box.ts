/** box.yaml: the name, the network, the time and the keys of the box, from text to the files that systemd and sshd read. */
import { isMap, LineCounter, type Node, parseDocument } from 'yaml'
import { z } from 'zod'

const name = z.string().regex(/^(?!-)[a-z0-9-]{1,63}$/, 'expected letters a-z, digits and hyphens, at most 63')
const host = z.string().regex(/^[A-Za-z0-9.:-]{1,253}$/, 'expected a name or an address')
const address = z.union([z.ipv4(), z.ipv6()], { error: 'expected an IP address' })
const prefixed = z.union([z.cidrv4(), z.cidrv6()], { error: 'expected an address with its prefix: 192.0.2.17/24' })
const KEY =
  /^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa|sk-ssh-ed25519@openssh\.com) [A-Za-z0-9+/=]+( [ -~]*)?$/

const port = z
  .strictObject({
    dhcp: z.boolean().optional(),
    addresses: z.array(prefixed).max(16).optional(),
    gateway: address.optional(),
    dns: z.array(address).max(4).optional(),
  })
  .refine(
    ({ dhcp, addresses }) => (dhcp === true) !== (addresses !== undefined),
    'expected either dhcp: true or addresses',
  )

const shape = z.strictObject({
  hostname: name.optional(),
  network: z
    .record(z.string().regex(/^[a-z0-9*]{1,15}$/, 'expected the name of a port: eth0, enp1s0, en*'), port)
    .optional(),
  time: z.array(host).max(8).optional(),
  ssh: z
    .array(z.string().regex(KEY, 'expected a public key as ssh-keygen writes it: ssh-ed25519 AAAA… name'))
    .max(32)
    .optional(),
})

export type Box = z.infer<typeof shape>

export type BoxRead =
  | { readonly ok: true; readonly box: Box }
  | { readonly ok: false; readonly problems: readonly string[] }

/** Problems are `file:line:column: sentence`. */
export function readBox(text: string, file: string): BoxRead {
  const counter = new LineCounter()
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, maxAliasCount: 0 } as object)
  const at = (offset: number): string => {
    const { line, col } = counter.linePos(offset)
    return `${file}:${line}:${col}`
  }
  if (document.errors.length > 0) {
    return { ok: false, problems: document.errors.map(({ pos, message }) => `${at(pos[0])}: ${message}`) }
  }
  const parsed = shape.safeParse(document.toJS() ?? {})
  if (parsed.success) return { ok: true, box: parsed.data }
  const problems = parsed.error.issues.map(({ path, message: text, ...issue }) => {
    const message = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? text) : text
    const keys = path.map((key) => (typeof key === 'number' ? key : String(key)))
    let node: Node | null | undefined
    for (let length = keys.length; length >= 0 && !node?.range; length--) {
      node = (length === 0 ? document.contents : document.getIn(keys.slice(0, length), true)) as Node | null
    }
    const where = node?.range ? at(node.range[0]) : `${file}:1:1`
    return `${where}: ${keys.join('.').replaceAll(/[^ -~]/g, '?') || 'box'}: ${message}`
  })
  return {
    ok: false,
    problems: isMap(document.contents) || problems.length > 0 ? problems : [`${file}:1:1: expected keys`],
  }
}

/** What systemd-networkd reads for one port. */
export function networkFile(
  port: string,
  { dhcp, addresses, gateway, dns }: NonNullable<Box['network']>[string],
): string {
  return [
    '[Match]',
    `Name=${port}`,
    '',
    '[Network]',
    ...(dhcp === true ? ['DHCP=yes'] : ['DHCP=no', 'IPv6AcceptRA=no']),
    'LinkLocalAddressing=ipv6',
    ...(addresses ?? []).map((one) => `Address=${one}`),
    ...(gateway === undefined ? [] : [`Gateway=${gateway}`]),
    ...(dns ?? []).map((one) => `DNS=${one}`),
    '',
  ].join('\n')
}

/** The files that this box.yaml stands for: path from the root, content, and mode. */
export function filesOf(
  box: Box,
): readonly { readonly path: string; readonly content: string; readonly mode: number }[] {
  const files: { path: string; content: string; mode: number }[] = []
  for (const [port, said] of Object.entries(box.network ?? {})) {
    files.push({
      path: `etc/systemd/network/10-${port.replace('*', 'any')}.network`,
      content: networkFile(port, said),
      mode: 0o644,
    })
  }
  if (box.time !== undefined) {
    files.push({
      path: 'etc/systemd/timesyncd.conf.d/10-set-up.conf',
      content: `[Time]\nNTP=${box.time.join(' ')}\n`,
      mode: 0o644,
    })
  }
  if (box.ssh !== undefined) {
    files.push({ path: 'etc/ssh/kept/authorized_keys', content: `${box.ssh.join('\n')}\n`, mode: 0o600 })
  }
  if (box.hostname !== undefined) {
    files.push({ path: 'data/hostname', content: `${box.hostname}\n`, mode: 0o644 })
    files.push({ path: 'etc/hostname', content: `${box.hostname}\n`, mode: 0o644 })
  }
  return files
}
