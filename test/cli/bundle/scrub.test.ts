import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Scrubber } from '../../../src/cli/bundle/scrub.ts'
import { tracesOf } from './traces.ts'

const nothing = new Scrubber([])
const found = (secret: string, text: string): string[] => tracesOf([secret], new Map([['text', Buffer.from(text)]]))

describe('a secret that is known', () => {
  it('is found in no form that programs write it in, whatever stands around it', () => {
    const secrets = fc
      .string({ minLength: 6, maxLength: 40, unit: 'grapheme' })
      .filter((text) => text.trim() === text && new Set(text).size > 3)
    fc.assert(
      fc.property(secrets, fc.string(), fc.string(), (secret, before, after) => {
        const around = `${before}${secret}${after}`
        const bytes = Buffer.from(around)
        const hex = bytes.toString('hex')
        const text = [
          around,
          JSON.stringify({ around }),
          encodeURIComponent(secret),
          bytes.toString('base64'),
          bytes.toString('base64url'),
          hex,
          hex.toUpperCase(),
          hex.replace(/(..)(?=.)/g, '$1 '),
          Buffer.from(`user:${secret}`).toString('base64'),
        ].join('\n')
        expect(found(secret, text).length).toBeGreaterThan(0)
        expect(found(secret, new Scrubber([secret]).scrub(text, 'known'))).toEqual([])
      }),
    )
  })

  it('goes also where it is part of another', () => {
    const clean = new Scrubber(['hunter2', 'hunter2-and-more']).scrub('a hunter2-and-more b hunter2 c', 'known')
    expect(clean).toBe('a «removed» b «removed» c')
  })
})

describe('what looks like a secret', () => {
  it.each([
    ['mqtt://eve:pw123@broker:1883/x', 'mqtt://«removed»@broker:1883/x'],
    ['at http://u:p/w@h and on', 'at http://«removed»@h and on'],
    ['{"password":"my pass word","x":1}', '{"password":«removed»,"x":1}'],
    ['{"msg":"{\\"token\\":\\"abc\\",\\"n\\":1}"}', '{"msg":"{\\"token\\":«removed»,\\"n\\":1}"}'],
    ['password=abc;user=x', 'password=«removed»;user=x'],
    ['GET /x?api_key=abc&n=1', 'GET /x?api_key=«removed»&n=1'],
    ['Authorization: Bearer abcdef123456', 'Authorization: «removed» «removed»'],
    ['with bearer abcdef123456', 'with bearer «removed»'],
    [
      '//10.0.0.1/share /mnt cifs rw,username=x,password=abc 0 0',
      '//10.0.0.1/share /mnt cifs rw,username=x,password=«removed»',
    ],
    ['-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----\nrest', '«removed»\nrest'],
    ['eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_def', '«removed»'],
  ])('goes: %s', (text, clean) => {
    expect(nothing.scrub(text).replace(/ 0 0$/, '')).toBe(clean)
  })

  it('is not a sentence, an address, or the figures of a device', () => {
    for (const text of [
      'the broker refuses: check user name and password',
      'mqtt://broker:1883/path',
      'fieldgate_sink_refused_total{sink="a"} 1',
      '# HELP x A person is needed: credentials, rights, a wrong name.',
      'revision e1def80b3f38, SHA 0f',
    ]) {
      expect(nothing.scrub(text)).toBe(text)
    }
  })
})
