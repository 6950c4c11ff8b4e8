/** Loaded before a process with an end of the log: lets the tests see how it opens LMDB. */
import { registerHooks } from 'node:module'

registerHooks({
  resolve(specifier, context, next) {
    const isOurs = specifier === 'lmdb' && context.parentURL?.endsWith('/src/log/segments/environment.ts')
    return next(isOurs ? new URL('watched-lmdb.ts', import.meta.url).href : specifier, context)
  },
})
