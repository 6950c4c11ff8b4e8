import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { doorGroup } from '../../src/cli/run/door-group.ts'

const folder = mkdtempSync(join(tmpdir(), 'fieldgate-group-'))
const groups = join(folder, 'group')
writeFileSync(groups, 'root:x:0:\nfieldgate:x:990:\nfieldgate-door:x:991:maria,field\n')
afterEach(() => rmSync(folder, { recursive: true, force: true }))

it('the group of the door is named, numbered, or not given', () => {
  const of = (name?: string) => doorGroup(name === undefined ? {} : { FIELDGATE_DOOR_GROUP: name }, groups)
  expect(of()).toBeUndefined()
  expect(of('')).toBeUndefined()
  expect(of('64010')).toBe(64010)
  expect(of('fieldgate-door')).toBe(991)
  expect(() => of('fieldgate-d')).toThrow(/there is no group fieldgate-d; make it with "groupadd/)
})
