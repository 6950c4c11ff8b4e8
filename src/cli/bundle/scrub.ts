/** Takes secrets out of texts: those that are known, in every form that programs write them in, and what looks like one. */
import { REMOVED } from '../../config/secrets.ts'

/** What looks like a secret wherever it stands. */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g, REMOVED],
  // Who comes, before the host of an address: RFC 3986, 3.2.1.
  [/([a-z][a-z0-9+.-]*:\/\/)[^\s"'<>]*@/gi, `$1${REMOVED}@`],
  [/\b(bearer|basic|digest)(\s+)[A-Za-z0-9+/=._~-]{6,}/gi, `$1$2${REMOVED}`],
  [/\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g, REMOVED],
  [
    /((?:pass(?:word|wd|phrase|code)?|pwd|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credentials?|authorization|psk)\w*\\?["']?\s*[:=]\s*)(\\?"(?:[^"\\]|\\[^"])*\\?"|'[^']*'|[^\s"'&,;}]+)/gi,
    `$1${REMOVED}`,
  ],
]

export class Scrubber {
  /** Longest first: one may be a part of another. */
  readonly #forms: readonly string[]

  constructor(secrets: Iterable<string>) {
    const forms = new Set([...secrets].flatMap(formsOf))
    this.#forms = [...forms].sort((a, b) => b.length - a.length)
  }

  /** `known`: only those that are known, where what merely looks like one was looked after already. */
  scrub(text: string, known?: 'known'): string {
    let clean = text
    for (const form of this.#forms) if (clean.includes(form)) clean = clean.replaceAll(form, REMOVED)
    if (known !== undefined) return clean
    for (const [pattern, instead] of PATTERNS) clean = clean.replace(pattern, instead)
    return clean
  }
}

/** As it stands, in JSON, in an address, as hexadecimal and as base64 at each of the three places it can begin in a group. */
function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret, 'utf8')
  const percent = encodeURIComponent(secret)
  const each = [...bytes].map((byte) => byte.toString(16).padStart(2, '0'))
  const hex = [each.join(''), each.join(' '), each.join(':'), each.map((pair) => `%${pair}`).join('')]
  const forms = [
    secret,
    JSON.stringify(secret).slice(1, -1),
    percent,
    percent.replaceAll('%20', '+'),
    percent.replace(/%[0-9A-F]{2}/g, (pair) => pair.toLowerCase()),
    ...hex,
    ...hex.map((form) => form.toUpperCase()),
    ...[0, 1, 2].flatMap((before) => base64Of(bytes, before)),
  ]
  return [...new Set(forms)].filter((form) => form.length >= 3)
}

/** The letters that are the secret's alone when `before` bytes of a group stand in front of it. */
function base64Of(bytes: Buffer, before: number): readonly string[] {
  const whole = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
  const from = Math.ceil((before * 8) / 6)
  const to = Math.floor(((before + bytes.length) * 8) / 6)
  const own = whole.slice(from, to)
  if (own.length < 4) return []
  return [own, own.replaceAll('+', '-').replaceAll('/', '_')]
}
