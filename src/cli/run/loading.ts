/** Loads a configuration in a thread of its own: what the parser and the schemas take in memory goes with the thread. */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Loaded } from '../../config/load.ts'
import { Fatal } from '../../contracts/errors.ts'

export interface LoadRequest {
  readonly file: string
  /** Text to read in place of the file's, which then only lends its folder and its name. */
  readonly text?: string
}

export function loadApart(request: LoadRequest): Promise<Loaded> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(`./loading-thread${extname(import.meta.url)}`, import.meta.url), {
      workerData: request,
    })
    worker.once('message', resolve)
    worker.once('error', (cause) => reject(new Fatal(`the configuration could not be loaded: ${cause}`, { cause })))
    worker.once('exit', (code) => reject(new Fatal(`loading the configuration ended with ${code}`)))
  })
}
