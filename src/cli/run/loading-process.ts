/** The other process's side of `Loader`: answers until it is let go. */
import { enableCompileCache } from 'node:module'
import type { LoadRequest } from './loading.ts'

enableCompileCache()
const modules = Promise.all([import('../../config/load.ts'), import('../../catalog.ts')])
// Ctrl-C reaches the whole group: the service decides what becomes of us.
process.on('SIGINT', () => {})
process.on('message', async ({ file, text }: LoadRequest) => {
  const [{ load }, catalog] = await modules
  const kinds = await catalog.kinds()
  const loaded = await load({ file, kinds, env: process.env, ...(text === undefined ? {} : { text }) })
  // It may have been let go meanwhile.
  if (process.connected) process.send!(loaded, () => undefined)
})
