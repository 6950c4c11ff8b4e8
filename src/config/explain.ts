/** What a schema found, as a sentence: what was expected, and what was probably meant. */
import type { z } from 'zod'
import { parseDuration, parseSize } from '../contracts/units.ts'
import { nearest } from './spelling.ts'

const WORDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map of keys',
  record: 'a map of keys',
  array: 'a list',
  tuple: 'a list',
}

export function explain(issue: z.core.$ZodIssue, given: unknown): string {
  // Sentences of our own begin small; what begins with a capital is the library's.
  const text = /^[A-Z]/.test(issue.message) ? plainly(issue) : issue.message
  const hint = hintFor(text, issue, given)
  return hint === undefined ? text : `${text}; ${hint}`
}

function plainly(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return `expected ${WORDS[issue.expected] ?? issue.expected}`
  if (issue.code === 'invalid_value') return `expected ${oneOf(issue.values.map(String))}`
  if (issue.code === 'invalid_union') {
    const forms = new Set(issue.errors.flatMap((branch) => branch.slice(0, 1).map(plainly)))
    return `expected ${[...forms].map((form) => form.replace(/^expected /, '')).join(' or ')}`
  }
  if (issue.code === 'unrecognized_keys') return `unknown key ${issue.keys.map((key) => `"${key}"`).join(', ')}`
  if (issue.code === 'too_small' || issue.code === 'too_big') {
    const [word, limit] = issue.code === 'too_small' ? ['least', issue.minimum] : ['most', issue.maximum]
    if (issue.origin === 'string' && issue.code === 'too_small' && Number(limit) === 1) return 'expected a text'
    const of = issue.origin === 'string' ? ' characters' : issue.origin === 'array' ? ' entries' : ''
    return `expected at ${word} ${limit}${of}`
  }
  if (issue.code === 'invalid_format') return `expected another form${issue.pattern ? `: ${issue.pattern}` : ''}`
  return issue.message.replace(/^Invalid input: /, '').replace(/, received.*/, '')
}

function hintFor(text: string, issue: z.core.$ZodIssue, given: unknown): string | undefined {
  if (text.includes('a duration such as')) return asked(durationMeant(given))
  if (text.includes('a size such as')) return asked(sizeMeant(given))
  if (typeof given === 'string' && /true or false/.test(text) && /^(yes|no|on|off|y|n)$/i.test(given)) {
    return `YAML reads ${given} as a text`
  }
  if (typeof given === 'string' && /number/.test(text) && given.trim() !== '' && Number.isFinite(Number(given))) {
    return 'leave the quotes off'
  }
  if ((typeof given === 'number' || typeof given === 'boolean') && /^expected a text/.test(text)) {
    return 'put it in quotes'
  }
  if (issue.code === 'invalid_value' && typeof given === 'string')
    return asked(nearest(given, issue.values.map(String)))
  return undefined
}

function asked(meant: string | undefined): string | undefined {
  return meant === undefined ? undefined : `did you mean "${meant}"?`
}

function oneOf(words: readonly string[]): string {
  return words.length === 1 ? words[0]! : `one of ${words.join(', ')}`
}

/** `1 sec` is `1s`; a bare number lacks its unit. */
function durationMeant(given: unknown): string | undefined {
  if (typeof given === 'number') return given >= 100 ? `${given}ms` : `${given}s`
  const [, count = '', unit = ''] = /^\s*([\d.]+)\s*([a-zA-Z]*)\.?\s*$/.exec(String(given)) ?? []
  const word = unit.toLowerCase()
  const meant = /^(ms|msecs?|millis|milliseconds?)$/.test(word)
    ? 'ms'
    : /^(s|secs?|seconds?|)$/.test(word)
      ? 's'
      : /^(m|mins?|minutes?)$/.test(word)
        ? 'm'
        : /^(h|hrs?|hours?)$/.test(word)
          ? 'h'
          : /^(d|days?)$/.test(word)
            ? 'd'
            : undefined
  return meant !== undefined && parseDuration(count + meant) !== undefined ? count + meant : undefined
}

/** `4 gb`, `4G` and `4GB5` are `4GiB`. */
function sizeMeant(given: unknown): string | undefined {
  if (typeof given === 'number') return `${given}B`
  const [, count = '', unit = ''] = /^\s*([\d.]+)\s*([kmgtKMGT])/.exec(String(given)) ?? []
  const meant = `${count}${unit.toUpperCase()}iB`
  return parseSize(meant) === undefined ? undefined : meant
}
