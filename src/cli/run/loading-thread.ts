/** The thread's side of `loadApart`. */
import { enableCompileCache } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import type { LoadRequest } from './loading.ts'

enableCompileCache()
const [{ load }, { kinds }] = await Promise.all([import('../../config/load.ts'), import('../../catalog.ts')])
const { file, text } = workerData as LoadRequest
parentPort!.postMessage(
  await load({ file, kinds: await kinds(), env: process.env, ...(text === undefined ? {} : { text }) }),
)
