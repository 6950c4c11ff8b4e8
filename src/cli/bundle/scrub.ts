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

/** A form begins with so many letters at least: it is looked for by them. */
const HEAD = 3

export class Scrubber {
  readonly #forms: ReadonlySet<string>
  /** How long those are that begin with these letters, the longest first: one may be the beginning of another. */
  readonly #lengths = new Map<string, number[]>()
  readonly #firsts = new Uint8Array(2 ** 16)

  constructor(secrets: Iterable<string>) {
    this.#forms = new Set([...secrets].flatMap(formsOf))
    for (const form of this.#forms) {
      const lengths = this.#lengths.get(form.slice(0, HEAD)) ?? []
      this.#lengths.set(form.slice(0, HEAD), lengths)
      if (!lengths.includes(form.length)) lengths.push(form.length)
      this.#firsts[form.charCodeAt(0)] = 1
    }
    for (const lengths of this.#lengths.values()) lengths.sort((a, b) => b - a)
  }

  /** `known`: only those that are known, where what merely looks like one was looked after already. */
  scrub(text: string, known?: 'known'): string {
    let clean = this.#withoutKnown(text)
    if (known !== undefined) return clean
    for (const [pattern, instead] of PATTERNS) clean = clean.replace(pattern, instead)
    return clean
  }

  /** One way through the text, however many there are: a file that is no YAML makes a secret of its every word. */
  #withoutKnown(text: string): string {
    const pieces: string[] = []
    let from = 0
    for (let at = 0; at <= text.length - HEAD; at++) {
      if (this.#firsts[text.charCodeAt(at)] === 0) continue
      const lengths = this.#lengths.get(text.slice(at, at + HEAD))
      const length = lengths?.find((one) => this.#forms.has(text.slice(at, at + one)))
      if (length === undefined) continue
      pieces.push(text.slice(from, at), REMOVED)
      from = at + length
      at = from - 1
    }
    return pieces.join('') + text.slice(from)
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
  return [...new Set(forms)].filter((form) => form.length >= HEAD)
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
