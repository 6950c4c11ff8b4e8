/** Neuron's write and read requests: understood, asked at the door or answered from live values, and answered with their uuid. */
import type { Value } from '../../contracts/batch.ts'
import type { CommandDoor, CommandResult } from '../../contracts/command.ts'
import type { LiveValues } from '../../contracts/report.ts'
import { NEURON } from './codes.ts'
import { type Bigint, tagList } from './formats.ts'

/** Larger requests are not read. */
const LONGEST_REQUEST = 64 * 1024

type Keys = Record<string, unknown>

export interface Answered {
  /** JSON; undefined: there is nobody to answer, the request has no uuid. */
  readonly answer: string | undefined
  readonly understood: boolean
}

const NOT_UNDERSTOOD: Answered = { answer: undefined, understood: false }

export async function answerWrite(
  payload: Buffer,
  options: { door: CommandDoor; by: string; signal: AbortSignal },
): Promise<Answered> {
  const request = parsed(payload)
  if (request === undefined) return NOT_UNDERSTOOD
  const { uuid, node, group, tag, value, tags } = request
  if (typeof uuid !== 'string') return NOT_UNDERSTOOD
  const writes = Array.isArray(tags) ? (tags as Keys[]) : [{ tag, value }]
  const wrong =
    typeof node !== 'string' || typeof group !== 'string'
      ? 'node and group are texts'
      : writes.length === 0 || writes.some((write) => typeof write?.tag !== 'string' || !isValue(write.value))
        ? 'expected tag and value, or tags: [{ tag, value }]'
        : undefined
  if (wrong !== undefined) return { answer: errorText(uuid, NEURON.bodyIsWrong, wrong), understood: false }
  const command = {
    id: uuid,
    by: options.by,
    device: node as string,
    group: group as string,
    writes: writes.map((write) => ({ tag: write.tag as string, value: write.value as Value })),
  }
  const result = await options.door.submit(command, options.signal)
  return { answer: errorText(uuid, codeOfResult(result), result.text), understood: true }
}

export function answerRead(payload: Buffer, live: LiveValues, bigint: Bigint): Answered {
  const request = parsed(payload)
  if (request === undefined || typeof request.uuid !== 'string') return NOT_UNDERSTOOD
  const { uuid, node, group } = request
  const batch = live.get(String(node), String(group))
  if (batch === undefined) {
    const known = [...live.all()].some((one) => one.group.device === node)
    const answer = known
      ? errorText(uuid as string, NEURON.groupNotExist, `there is no group ${String(group)}`)
      : errorText(uuid as string, NEURON.nodeNotExist, `there is no node ${String(node)}`)
    return { answer, understood: true }
  }
  return { answer: `{"uuid":${JSON.stringify(uuid)},"tags":[${tagList(batch, bigint, 'all')}]}`, understood: true }
}

function codeOfResult({ outcome, text }: CommandResult): number {
  if (outcome === 'done') return NEURON.success
  if (outcome === 'refused') return text.startsWith('there is no tag') ? NEURON.tagNotExist : NEURON.notAllowWrite
  return outcome === 'unknown' ? NEURON.noResponse : NEURON.writeFailure
}

/** Neuron's two keys, and a sentence for people where something went wrong. */
function errorText(uuid: string, error: number, text: string): string {
  return JSON.stringify(error === 0 ? { uuid, error } : { uuid, error, text })
}

function isValue(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isValue)
  return ['number', 'boolean', 'string', 'bigint'].includes(typeof value)
}

/** Whole numbers beyond 2^53 arrive as bigints, not as the double next to them. */
function parsed(payload: Buffer): Keys | undefined {
  if (payload.length > LONGEST_REQUEST) return undefined
  try {
    const whole = (_: string, value: unknown, context?: { source?: string }): unknown =>
      typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
        ? BigInt(context!.source!)
        : value
    const request: unknown = JSON.parse(payload.toString('utf8'), whole as (key: string, value: unknown) => unknown)
    return typeof request === 'object' && request !== null && !Array.isArray(request) ? (request as Keys) : undefined
  } catch {
    return undefined
  }
}
