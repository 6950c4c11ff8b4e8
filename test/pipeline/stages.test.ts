import { type Batch, Reason } from '../../src/contracts/batch.ts'
import { ConversionStage, ReportingStage } from '../../src/pipeline/stages.ts'
import { type StageUnderTest, stageSuite } from '../contracts/stage-suite.ts'
import { planOf, rawBatch } from './plans.ts'

const states = new Map([[1, 'on']])

function batchesOf(plan: ReturnType<typeof planOf>): Batch[] {
  const whole = [
    rawBatch(plan, [1, 2.5, 1, 300, 7, 'text', [1, 2], 2n ** 60n], 0),
    rawBatch(plan, [2, Number.NaN, 9, 200, -32_768, 'text', [3, Number.NaN], 5n], 1000),
    rawBatch(plan, [{ bad: Reason.timeout }, 2.5, 1, 210, 7, { bad: Reason.notDecodable }, [1, 2], 5n], 2000),
    rawBatch(plan, [2, Number.POSITIVE_INFINITY, 1, 220, 8, 'other', [1, 2], { bad: Reason.timeout }], 3000),
  ]
  const last = whole.at(-1)!
  const at = { ...last.at, monotonic: 4000 }
  const part: Batch = {
    ...last,
    at,
    tags: Uint32Array.of(0, 4, 5),
    numbers: Float64Array.of(3, 9, Number.NaN),
    others: new Map([[2, 'again']]),
    quality: null,
  }
  return [...whole, part]
}

const plan = planOf([
  { scale: 0.1 },
  { type: 'float32', report: 'change' },
  { enum: states, kind: 'text', unknown: 'bad', report: 'change' },
  { counter: { wrap: 1000, maxStep: 950 }, type: 'uint16', deadband: { absolute: 50 } },
  { noValue: [-32_768], precision: 0, scaleFrom: { index: 0, as: 'pow10' } },
  { type: 'string', kind: 'text', report: 'change' },
  { kind: 'array', scale: 0.1, deadband: { absolute: 1 } },
  { type: 'uint64', kind: 'integer', deadband: { percent: 5 } },
])

function conversion(): StageUnderTest {
  const stage = new ConversionStage(() => {})
  stage.configure([plan])
  return { stage, inputs: [plan.ref], batches: batchesOf(plan) }
}

stageSuite('conversion', conversion)

stageSuite('reporting', () => {
  // What is reported has been converted before.
  const { stage: before, batches } = conversion()
  const converted: Batch[] = []
  for (const batch of batches) before.onBatch(batch, (one) => converted.push(one))
  const stage = new ReportingStage()
  stage.configure([plan])
  return { stage, inputs: [plan.ref], batches: converted }
})
