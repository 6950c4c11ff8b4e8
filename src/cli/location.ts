/** Where a file is that a command line names. */
import { resolve } from 'node:path'

/** `npm run` changes to the package's folder before it starts us: a relative path means the folder the user stood in. */
export function locate(file: string, env: NodeJS.ProcessEnv): string {
  const throughNpm = env.npm_lifecycle_event === 'fieldgate' || env.npm_lifecycle_event === 'demo'
  return resolve((throughNpm && env.INIT_CWD) || process.cwd(), file)
}
