import { describe, expect, it } from 'vitest'
import { isOurName } from '../../../src/console/http/names.ts'

describe('the name a request comes under', () => {
  it('is ours as a number, as localhost and as the name of the box', () => {
    for (const host of [
      '127.0.0.1',
      '127.0.0.1:8080',
      '[::1]:8080',
      '[fe80::1]',
      '192.168.4.2:80',
      'localhost',
      'LOCALHOST:1',
    ]) {
      expect(isOurName(host, []), host).toBe(true)
    }
    expect(isOurName('gw-01:8080', ['gw-01'])).toBe(true)
    expect(isOurName('GW-01.local', ['gw-01'])).toBe(true)
    expect(isOurName('gw-01.plant.', ['gw-01.plant'])).toBe(true)
  })

  it('is refused where it is any other, which a stranger could point at this box', () => {
    const foreign = [
      'evil.example',
      '127.0.0.1.evil.example',
      'localhost.evil.example',
      'gw-01.evil',
      '',
      'a:b:c',
      '[::1',
      '[evil]',
      '1.2.3.4:x',
      '@',
      '[::1]evil',
      '.local',
    ]
    for (const host of foreign) expect(isOurName(host, ['gw-01', '']), host).toBe(false)
    expect(isOurName(undefined, ['gw-01'])).toBe(false)
  })
})
