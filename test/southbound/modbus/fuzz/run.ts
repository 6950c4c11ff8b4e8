/** `npm run fuzz [-- --frames N --seed N --only STREAM --source FOLDER]`: frames through our decoders, the judge's and
 *  modbus-serial's. One line with what was found; exit 1 when we were wrong, crashed or hung. */
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { Fuzz } from './fuzz.ts'
import { parts } from './ours.ts'
import type { Verdicts } from './verdicts.ts'

interface Orders {
  readonly frames: number
  readonly seed: number
  readonly only: number | undefined
  readonly source: string
  /** Where the number of the present stream is written, for whoever watches. */
  readonly progress: SharedArrayBuffer
}

/** A stream takes a fraction of a millisecond; the longest noise some ten. */
const HANGS_AFTER_MS = 10_000
/** Promises that modbus-serial leaves behind are let settle so often. */
const BREATH = 256

if (isMainThread) await watch()
else await work(workerData as Orders)

async function work({ frames, seed, only, source, progress }: Orders): Promise<void> {
  const fuzz = new Fuzz({ parts: await parts(source), seed })
  const present = new Int32Array(progress)
  if (only !== undefined) fuzz.run(only)
  else {
    for (let number = 0; fuzz.verdicts.frames < frames; number++) {
      Atomics.store(present, 0, number)
      fuzz.run(number)
      if (number % BREATH === 0) await nextTurn()
    }
  }
  const { clean, ...verdicts } = { ...fuzz.verdicts, clean: fuzz.verdicts.clean }
  parentPort!.postMessage({ clean, verdicts })
}

async function watch(): Promise<void> {
  const { values } = parseArgs({
    options: {
      frames: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      only: { type: 'string' },
      source: { type: 'string', default: join(import.meta.dirname, '../../../../src') },
    },
  })
  const seed = Number(values.seed)
  const progress = new SharedArrayBuffer(4)
  const present = new Int32Array(progress)
  const orders: Orders = {
    frames: Number(values.frames),
    seed,
    only: values.only === undefined ? undefined : Number(values.only),
    source: values.source,
    progress,
  }
  const from = performance.now()
  const worker = new Worker(new URL(import.meta.url), { workerData: orders })
  const done = new Promise<{ clean: boolean; verdicts: Verdicts }>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  const hung = new Promise<number>((resolve) => {
    let last = -1
    const timer = setInterval(() => {
      const now = Atomics.load(present, 0)
      if (now === last) resolve(now)
      last = now
    }, HANGS_AFTER_MS)
    timer.unref()
  })
  const first = await Promise.race([done, hung])
  if (typeof first === 'number') {
    console.log(`fuzz: hangs 1: seed ${seed} stream ${first} did not end in ${HANGS_AFTER_MS} ms`)
    process.exit(1)
  }
  const seconds = (performance.now() - from) / 1000
  console.log(summary(first.verdicts, seed, seconds))
  for (const text of first.verdicts.cases) console.log(text)
  process.exit(first.clean ? 0 : 1)
}

function summary(verdicts: Verdicts, seed: number, seconds: number): string {
  const kinds = Object.entries(verdicts.modbusSerial)
  const sum = (of: 'wrong' | 'lost'): number => kinds.reduce((total, [, differences]) => total + differences[of], 0)
  const list = kinds
    .sort(([, one], [, other]) => other.wrong - one.wrong || other.lost - one.lost)
    .map(([kind, { wrong, lost }]) => `${kind} ${wrong}/${lost}`)
    .join(', ')
  return (
    `fuzz: ${verdicts.frames} frames in ${seconds.toFixed(1)} s, seed ${seed}, answers equal ${verdicts.answers}, ` +
    `modbus-serial where we are right: ${sum('wrong')} wrong and ${sum('lost')} lost of ${verdicts.compared} ` +
    `(wrong/lost by kind: ${list || 'none'}), ` +
    `wrong ${verdicts.wrong}, lost ${verdicts.lost}, crashes ${verdicts.crashes}, hangs 0`
  )
}
