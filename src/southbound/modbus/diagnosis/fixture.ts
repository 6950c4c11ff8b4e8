/** Traced frames as a text that the simulated wire replays: `+MS > HEX` was sent so long after the line before it, `+MS < HEX`
 *  was received; `#` begins a comment. Pure. */
import type { TracedFrame } from '../../../contracts/trace.ts'

/** One frame; `previousAt`: when the frame before it passed, null for the first. */
export function fixtureLine(frame: TracedFrame, previousAt: number | null): string {
  const { at, way, bytes, text, verdict } = frame
  if (way === 'none') return `# ${verdict}: unit ${frame.unit}, ${text}`
  const ms = previousAt === null ? 0 : Math.max(0, at - previousAt)
  const hex = Buffer.from(bytes).toString('hex')
  const said = verdict === 'request' || verdict === 'answer' ? text : `${verdict}: ${text}`
  return `+${ms.toFixed(3)} ${way === 'sent' ? '>' : '<'} ${hex} # ${said.replaceAll('\n', ' ')}`
}
