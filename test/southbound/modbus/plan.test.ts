import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BatchBuilder, Reason } from '../../../src/contracts/batch.ts'
import type { GroupPlan } from '../../../src/contracts/driver.ts'
import { type ModbusRequest, planGroup, splitRequest } from '../../../src/southbound/modbus/plan/plan.ts'
import { wireCost } from '../../../src/southbound/modbus/plan/plan-wire.ts'
import type { AddressRange, ConnectionSettings, TagSettings } from '../../../src/southbound/modbus/settings.ts'
import { groupOf, rtu, tcp, type Written } from './configured.ts'

const line = rtu()
const texts = (requests: readonly ModbusRequest[]): string[] => requests.map((request) => request.text)
const stretches = (requests: readonly ModbusRequest[]) => requests.map(({ address, quantity }) => [address, quantity])
const words = (addresses: readonly number[], type = 'int16') =>
  addresses.map((address) => ({ address: `holding:${address}`, type }))
const plan = (tags: Parameters<typeof groupOf>[0], device: object = {}, connection: ConnectionSettings = line) =>
  planGroup(groupOf(tags, { device: device as Record<string, unknown> }), connection)

describe('the planner', () => {
  it('merges neighbours, in whatever sequence they are configured', () => {
    const [request, ...rest] = plan(words([2, 0, 1]))
    expect(rest).toEqual([])
    expect(request).toMatchObject({
      unit: 1,
      function: 3,
      address: 0,
      quantity: 3,
      timeoutMs: 3000,
      retries: 1,
      device: 'd',
    })
    expect([...request!.tags]).toEqual([0, 1, 2])
    expect(request!.text).toBe('FC03 unit 1, 40001–40003')
  })

  it('asks each area with its own function', () => {
    expect(
      texts(plan([{ address: 'C1' }, { address: 'DI1' }, ...words([0]), { address: '30001', type: 'int16' }])),
    ).toEqual(['FC01 unit 1, 00001', 'FC02 unit 1, 10001', 'FC03 unit 1, 40001', 'FC04 unit 1, 30001'])
  })

  it('writes addresses the way the device counts', () => {
    expect(texts(plan([{ address: '40001', type: 'int16' }], { digits: 'zero-based' }))).toEqual(['FC03 unit 1, 40001'])
  })

  it('reads no hole unless told', () => {
    expect(stretches(plan(words([0, 2])))).toEqual([
      [0, 1],
      [2, 1],
    ])
    expect(stretches(plan(words([0, 2]), { maxGap: 1 }))).toEqual([[0, 3]])
    expect(stretches(plan(words([0, 3]), { maxGap: 1 }))).toHaveLength(2)
  })

  it('bridges a hole only where that is cheaper than another request', () => {
    // At 9600 8N1 a register costs 2.1 ms and a request of its own about 26.5: up to twelve registers are cheaper read along.
    expect(plan(words([0, 13]), { maxGap: 100 })).toHaveLength(1)
    expect(plan(words([0, 14]), { maxGap: 100 })).toHaveLength(2)
    // A round trip over TCP weighs more than any hole.
    expect(plan(words([0, 101]), { maxGap: 100 }, tcp())).toHaveLength(1)
  })

  it('never bridges what must not be touched, nor what was found illegal', () => {
    expect(plan(words([0, 4]), { maxGap: 10, noTouch: ['holding:2-3'] })).toHaveLength(2)
    expect(plan(words([0, 4]), { maxGap: 10, noTouch: ['input:2-3', 'holding:5'] })).toHaveLength(1)
    const group = groupOf(words([0, 4]), { device: { maxGap: 10 } })
    expect(planGroup(group, line, [{ area: 'holding', from: 2, to: 2 }])).toHaveLength(2)
  })

  it('reads what must not be touched where a tag names it', () => {
    expect(stretches(plan(words([1, 2, 3]), { noTouch: ['holding:2'] }))).toEqual([[1, 3]])
  })

  it('keeps to 125 registers and 2000 bits, and to what the device gives', () => {
    const many = Array.from({ length: 300 }, (_, address) => address)
    expect(stretches(plan(words(many)))).toEqual([
      [0, expect.any(Number)],
      [expect.any(Number), expect.any(Number)],
      [expect.any(Number), expect.any(Number)],
    ])
    expect(Math.max(...plan(words(many), { maxRegisters: 10 }).map((request) => request.quantity))).toBe(10)
    const coils = Array.from({ length: 2001 }, (_, address) => ({ address: `coil:${address}` }))
    expect(plan(coils)).toHaveLength(2)
    expect(plan(coils.slice(0, 100), { maxBits: 32 })).toHaveLength(4)
  })

  it('never splits a value over two requests', () => {
    const doubles = Array.from({ length: 40 }, (_, index) => ({ address: `holding:${index * 4}`, type: 'float64' }))
    for (const { address, quantity } of plan(doubles)) {
      expect(address % 4).toBe(0)
      expect(quantity % 4).toBe(0)
    }
  })

  it('cuts a long stretch at a hole rather than between neighbours', () => {
    const tags = words([...Array.from({ length: 60 }, (_, n) => n), ...Array.from({ length: 100 }, (_, n) => 70 + n)])
    expect(stretches(plan(tags, { maxGap: 20 }))).toEqual([
      [0, 60],
      [70, 100],
    ])
  })

  it('reads one register once for all tags in it', () => {
    const bits = Array.from({ length: 16 }, (_, bit) => ({ address: `40001.${bit}` }))
    const [request] = plan([...bits, { address: '40001', type: 'uint32' }])
    expect(request).toMatchObject({ address: 0, quantity: 2 })
    expect(request!.tags).toHaveLength(17)
  })

  it('reads the words of a value together, however far apart', () => {
    expect(stretches(plan([{ address: ['40001', '40100'], type: 'uint32' }, ...words([50])]))).toEqual([[0, 100]])
  })

  it('reads a value with the register that scales it', () => {
    const scaled = {
      keys: { address: 'holding:10', type: 'int16' },
      mapping: { scaleFrom: { index: 1, as: 'pow10' as const } },
    }
    const scale = { address: 'holding:40', type: 'int16' }
    expect(stretches(plan([scaled, scale]))).toEqual([[10, 31]])
    expect(stretches(plan([scaled, scale], { noTouch: ['holding:20'] }))).toHaveLength(2)
    expect(stretches(plan([scaled, scale], { maxRegisters: 30 }))).toHaveLength(2)
    // Several values share the register; the far one that no request can hold with it goes alone.
    const far = {
      keys: { address: 'holding:300', type: 'int16' },
      mapping: { scaleFrom: { index: 1, as: 'pow10' as const } },
    }
    const near = {
      keys: { address: 'holding:60', type: 'int16' },
      mapping: { scaleFrom: { index: 1, as: 'pow10' as const } },
    }
    expect(stretches(plan([scaled, scale, far, near]))).toEqual([
      [10, 51],
      [300, 1],
    ])
  })

  it('leaves out what is only written', () => {
    const group = groupOf(words([0, 1]))
    const writeOnly: GroupPlan = { ...group, tags: [group.tags[0]!, { ...group.tags[1]!, index: -1, access: 'w' }] }
    expect(stretches(planGroup(writeOnly, line))).toEqual([[0, 1]])
  })

  it('knows what a request costs the wire', () => {
    // 9600 8N1: 13 characters of framing and 20 of values, 10 bits each, twice t3.5, and five milliseconds to think.
    const [request] = plan(words([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
    expect(request!.wireMs).toBeCloseTo((33 * 10 * 1000) / 9600 + 2 * 4.01 + 5, 1)
    expect(plan(words([0]), {}, tcp())[0]!.wireMs).toBe(0)
  })
})

describe('an answer', () => {
  it('reaches exactly the tags of its request', () => {
    const group = groupOf([...words([0, 1]), ...words([9])])
    const [first, second] = planGroup(group, line)
    const into = new BatchBuilder(group.ref)
    first!.decode(Uint8Array.of(0xff, 0, 1, 0, 2), 1, into)
    expect([...into.numbers]).toEqual([1, 2, 0])
    expect([...into.quality]).toEqual([Reason.good, Reason.good, Reason.notYet])
    second!.decode(Uint8Array.of(0, 3), 0, into)
    expect([...into.numbers]).toEqual([1, 2, 3])
  })
})

describe('a request that drew an exception', () => {
  it('is cut at a hole first, and the hole is left out', () => {
    const [request] = plan(words([0, 1, 2, 5, 6, 7, 8, 9]), { maxGap: 5 })
    expect(stretches(splitRequest(request!))).toEqual([
      [0, 3],
      [5, 5],
    ])
  })

  it('is cut between values near the middle', () => {
    const [request] = plan(words([0, 2, 4, 6], 'int32'))
    expect(stretches(splitRequest(request!))).toEqual([
      [0, 4],
      [4, 4],
    ])
  })

  it('cannot be cut when it holds one value, or several of one register', () => {
    expect(splitRequest(plan(words([0], 'float64'))[0]!)).toEqual([])
    expect(splitRequest(plan([{ address: '40001.0' }, { address: '40001.1' }])[0]!)).toEqual([])
  })

  it('ends, cut by cut, with single values, none lost', () => {
    fc.assert(
      fc.property(groups, ({ tags, device }) => {
        const group = groupOf(tags, { device })
        for (const request of planGroup(group, line)) {
          const singles = down(request)
          const reached = singles.flatMap((single) => [...single.tags]).sort((one, other) => one - other)
          expect(reached).toEqual([...request.tags])
          for (const single of singles) {
            const spans = new Set(
              single.members.map(
                ({ settings }) => `${(settings as TagSettings).address}+${(settings as TagSettings).span}`,
              ),
            )
            expect(spans.size).toBe(1)
          }
        }
      }),
      { numRuns: 100 },
    )
  })
})

function down(request: ModbusRequest): readonly ModbusRequest[] {
  const parts = splitRequest(request)
  return parts.length === 0 ? [request] : parts.flatMap(down)
}

const area = fc.constantFrom('holding', 'input', 'coil')
const tags = fc.array(
  fc
    .record({
      area,
      address: fc.integer({ min: 0, max: 400 }),
      type: fc.constantFrom('int16', 'float32', 'float64', 'uint48'),
    })
    .map(({ area, address, type }) => ({ address: `${area}:${address}`, ...(area === 'coil' ? {} : { type }) })),
  { minLength: 1, maxLength: 60 },
)
const groups = fc.record({
  tags,
  device: fc.record({
    maxRegisters: fc.integer({ min: 4, max: 125 }),
    maxBits: fc.integer({ min: 1, max: 2000 }),
    maxGap: fc.integer({ min: 0, max: 50 }),
    noTouch: fc.array(
      fc
        .tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 9 }))
        .map(([from, more]) => `holding:${from}-${from + more}`),
      { maxLength: 5 },
    ),
  }),
})

describe('for any group', () => {
  it('each tag is read once, whole, and no limit is broken', () => {
    fc.assert(
      fc.property(groups, ({ tags, device }) => {
        const group = groupOf(tags, { device } as Written)
        const settings = group.device.settings as { noTouch: readonly AddressRange[] }
        const requests = planGroup(group, line)
        const reached = requests.flatMap((request) => [...request.tags]).sort((one, other) => one - other)
        expect(reached).toEqual(group.tags.map((tag) => tag.index))
        for (const request of requests) {
          const named = new Set<number>()
          for (const { settings } of request.members) {
            const { address, span } = settings as TagSettings
            expect(address).toBeGreaterThanOrEqual(request.address)
            expect(address + span).toBeLessThanOrEqual(request.address + request.quantity)
            for (let at = address; at < address + span; at++) named.add(at)
          }
          expect(request.quantity).toBeLessThanOrEqual(request.function < 3 ? device.maxBits : device.maxRegisters)
          let gap = 0
          for (let at = request.address; at < request.address + request.quantity; at++) {
            gap = named.has(at) ? 0 : gap + 1
            expect(gap).toBeLessThanOrEqual(device.maxGap)
            const untouchable =
              request.function === 3 && settings.noTouch.some(({ from, to }) => from <= at && at <= to)
            if (gap > 0) expect(untouchable).toBe(false)
          }
          expect([...request.tags]).toEqual([...request.tags].sort((one, other) => one - other))
        }
      }),
      { numRuns: 300 },
    )
  })

  it('the wire time is never above that of merging neighbours alone, nor above one request a value', () => {
    fc.assert(
      fc.property(groups, ({ tags, device }) => {
        const cost = (requests: readonly ModbusRequest[]): number =>
          requests.reduce((sum, request) => sum + request.wireMs, 0)
        const planned = cost(planGroup(groupOf(tags, { device }), line))
        const { wireMs } = wireCost(line)
        let naive = 0
        for (const [bits, most, extents] of byArea(groupOf(tags, { device }), device)) {
          let [from, end] = [-1, -1]
          for (const extent of extents) {
            const merges = from >= 0 && extent.from <= end && Math.max(end, extent.end) - from <= most
            if (!merges && from >= 0) naive += wireMs(end - from, bits)
            if (!merges) from = extent.from
            end = merges ? Math.max(end, extent.end) : extent.end
          }
          naive += wireMs(end - from, bits)
        }
        expect(planned).toBeLessThanOrEqual(naive + 1e-6)
      }),
      { numRuns: 300 },
    )
  })
})

describe('for any group of one area', () => {
  const { weight } = wireCost(line)
  const few = (most: number) =>
    fc.record({
      addresses: fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: most }),
      device: fc.record({
        maxRegisters: fc.integer({ min: 4, max: 40 }),
        maxGap: fc.integer({ min: 0, max: 40 }),
        noTouch: fc.array(
          fc.integer({ min: 0, max: 60 }).map((at) => `holding:${at}`),
          { maxLength: 3 },
        ),
      }),
    })
  const cost = (runs: readonly (readonly [number, number])[]): number =>
    runs.reduce((sum, [from, end]) => sum + weight(end - from, false), 0)
  const forbiddenIn = (noTouch: readonly string[]): ReadonlySet<number> =>
    new Set(noTouch.map((range) => Number(range.slice(8))))

  /** Whether the values from `first` to `last` may stand in one request. */
  function allowed(
    sorted: readonly number[],
    first: number,
    last: number,
    { maxRegisters, maxGap, noTouch }: { maxRegisters: number; maxGap: number; noTouch: readonly string[] },
  ): boolean {
    if (sorted[last]! + 1 - sorted[first]! > maxRegisters) return false
    const forbidden = forbiddenIn(noTouch)
    for (let at = first + 1; at <= last; at++) {
      const gap = sorted[at]! - sorted[at - 1]! - 1
      if (gap > maxGap) return false
      for (let hole = sorted[at - 1]! + 1; hole < sorted[at]!; hole++) if (forbidden.has(hole)) return false
    }
    return true
  }

  it('no other way to cut the addresses takes less of the wire', () => {
    fc.assert(
      fc.property(few(11), ({ addresses, device }) => {
        const sorted = addresses.toSorted((one, other) => one - other)
        let least = Number.POSITIVE_INFINITY
        // Every set of places to cut.
        for (let cuts = 0; cuts < 2 ** (sorted.length - 1); cuts++) {
          const runs: [number, number][] = []
          let first = 0
          let legal = true
          for (let at = 0; at < sorted.length; at++) {
            if (at < sorted.length - 1 && ((cuts >> at) & 1) === 0) continue
            legal &&= allowed(sorted, first, at, device)
            runs.push([sorted[first]!, sorted[at]! + 1])
            first = at + 1
          }
          if (legal) least = Math.min(least, cost(runs))
        }
        const planned = plan(words(addresses), device).map(
          ({ address, quantity }) => [address, address + quantity] as const,
        )
        expect(cost(planned)).toBeCloseTo(least, 6)
      }),
      { numRuns: 200 },
    )
  })

  it('no merging across a fixed gap takes less of the wire, whichever gap it is', () => {
    fc.assert(
      fc.property(few(40), fc.integer({ min: 0, max: 40 }), ({ addresses, device }, gap) => {
        const sorted = addresses.toSorted((one, other) => one - other)
        const rules = { ...device, maxGap: Math.min(gap, device.maxGap) }
        const runs: [number, number][] = []
        let first = 0
        for (let at = 1; at <= sorted.length; at++) {
          if (at < sorted.length && allowed(sorted, first, at, rules)) continue
          runs.push([sorted[first]!, sorted[at - 1]! + 1])
          first = at
        }
        const planned = plan(words(addresses), device).map(
          ({ address, quantity }) => [address, address + quantity] as const,
        )
        expect(cost(planned)).toBeLessThanOrEqual(cost(runs) + 1e-6)
      }),
      { numRuns: 300 },
    )
  })

  it('neighbours are in one request unless the limit stands between them', () => {
    fc.assert(
      fc.property(few(40), ({ addresses, device }) => {
        const requests = plan(words(addresses), device)
        for (const [at, { address, quantity }] of requests.entries()) {
          const next = requests[at + 1]
          if (next === undefined || next.address !== address + quantity) continue
          expect(next.address + next.quantity - address).toBeGreaterThan(device.maxRegisters)
        }
      }),
      { numRuns: 300 },
    )
  })
})

type Extents = readonly { readonly from: number; readonly end: number }[]

function byArea(group: GroupPlan, device: { maxRegisters: number; maxBits: number }): [boolean, number, Extents][] {
  const areas = Map.groupBy(group.tags, (tag) => (tag.settings as TagSettings).area)
  return [...areas].map(([area, members]) => [
    area === 'coil',
    area === 'coil' ? device.maxBits : device.maxRegisters,
    members
      .map(({ settings }) => settings as TagSettings)
      .map(({ address, span }) => ({ from: address, end: address + span }))
      .sort((one, other) => one.from - other.from || one.end - other.end),
  ])
}

describe('ten thousand tags', () => {
  it('are planned at once, whatever their gaps', () => {
    const registers = Array.from({ length: 10_000 }, (_, index) => ({ address: `holding:${index * 3}`, type: 'int16' }))
    expect(plan(registers, { maxGap: 2 }).length).toBeLessThan(250)
    const coils = Array.from({ length: 10_000 }, (_, index) => ({ address: `coil:${index * 2}` }))
    expect(plan(coils, { maxGap: 2 }).length).toBeLessThan(12)
    // Planned in 2 to 12 ms where this was written; the bound leaves room for a busy machine.
    const group = groupOf(registers, { device: { maxGap: 2 } })
    const took = Array.from({ length: 5 }, () => {
      const from = performance.now()
      planGroup(group, line)
      return performance.now() - from
    })
    expect(Math.min(...took)).toBeLessThan(50)
  })
})
