/** CHANGELOG.md in the form of Debian's. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { MAINTAINER } from './control.ts'
import { ROOT } from './files.ts'

export function changelog({ version, epoch }: { readonly version: string; readonly epoch: number }): string {
  const latest = readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8').split(/^## /m)[1] ?? ''
  const points = latest.split('\n').slice(1).join('\n').split(/^- /m).slice(1)
  const lines = points.map((point) => wrapped(point.split('\n\n')[0]!.replace(/\s+/g, ' ').trim()))
  return `fieldgate (${version}) stable; urgency=medium\n\n${lines.join('')}\n -- ${MAINTAINER}  ${date(epoch)}\n`
}

function wrapped(text: string): string {
  const lines = text.match(/.{1,72}(?: |$)|\S+ ?/g) ?? []
  return lines.map((line, index) => `  ${index === 0 ? '*' : ' '} ${line.trimEnd()}\n`).join('')
}

/** As RFC 5322 writes it, which is what deb-changelog(5) wants. */
function date(epoch: number): string {
  return new Date(epoch * 1000).toUTCString().replace('GMT', '+0000')
}
