/** `fieldgate log status|gaps|export|retry`: what the log holds, what was lost, its records as JSON lines, and another try for
 *  what a sink refused. */
import { type Command, Exit, type Invocation } from './command.ts'

const ACTIONS: Readonly<Record<string, () => Promise<{ readonly command: Command }>>> = {
  status: () => import('./log/status.ts'),
  gaps: () => import('./log/gaps.ts'),
  export: () => import('./log/export.ts'),
  retry: () => import('./log/retry.ts'),
}

/** Which options go with which action. */
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  status: ['audit'],
  export: ['from', 'to', 'device', 'group', 'quarantine'],
}

export const command: Command = async (invocation) => {
  const { words, options } = invocation
  const [action = '', ...rest] = words
  const load = ACTIONS[action]
  if (load === undefined) {
    return usageError(invocation, `there is no "log ${action}": there are ${Object.keys(ACTIONS).join(', ')}`)
  }
  const foreign = Object.keys(options).find((name) => OPTIONS[action]?.includes(name) !== true)
  if (foreign !== undefined) return usageError(invocation, `--${foreign} does not go with "log ${action}"`)
  if (action !== 'retry' && rest.length > 0) return usageError(invocation, `"log ${action}" takes no ${rest.join(' ')}`)
  const { command: act } = await load()
  return act({ ...invocation, words: rest })
}

/** Says what is wrong with the line. */
export function usageError({ json, screen }: Pick<Invocation, 'json' | 'screen'>, error: string): Exit {
  screen.complain(`fieldgate: ${error}`)
  if (json) screen.document({ ok: false, error, status: Exit.usage })
  return Exit.usage
}
