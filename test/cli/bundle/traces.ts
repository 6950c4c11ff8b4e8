/** Looks for a secret in bytes the way somebody would who wants it: as it stands, and in whatever it may be packed into. */

/** By secret: where and how it was found. */
export function tracesOf(secrets: readonly string[], files: ReadonlyMap<string, Buffer>): string[] {
  const found: string[] = []
  for (const [name, bytes] of files) {
    const views = viewsOf(bytes.toString('latin1'))
    for (const secret of secrets) {
      const wanted = Buffer.from(secret, 'utf8').toString('latin1')
      for (const [view, texts] of views) {
        if (texts.some((text) => text.includes(wanted))) found.push(`${JSON.stringify(secret)} in ${name}, ${view}`)
      }
    }
  }
  return found
}

function viewsOf(text: string): readonly (readonly [string, readonly string[]])[] {
  const runs = (pattern: RegExp): string[] => text.match(pattern) ?? []
  const base64 = runs(/[A-Za-z0-9+/_-]{4,}/g).flatMap((run) =>
    [0, 1, 2, 3].map((skip) =>
      Buffer.from(run.slice(skip).replaceAll('-', '+').replaceAll('_', '/'), 'base64').toString('latin1'),
    ),
  )
  const hex = (pattern: RegExp): string[] =>
    runs(pattern).flatMap((run) => {
      const digits = run.replace(/[^0-9a-f]/gi, '')
      return [0, 1].map((skip) => Buffer.from(digits.slice(skip), 'hex').toString('latin1'))
    })
  return [
    ['as it stands', [text]],
    [
      'in an address',
      [
        text
          .replaceAll('+', ' ')
          .replace(/%([0-9a-f]{2})/gi, (_, pair: string) => String.fromCharCode(Number.parseInt(pair, 16))),
      ],
    ],
    ['in JSON', [text.replace(/\\(["\\/])/g, '$1')]],
    ['as base64', base64],
    ['as hexadecimal', hex(/[0-9a-f]{6,}/gi)],
    ['as hexadecimal with spaces', hex(/[0-9a-f]{2}(?:[ :][0-9a-f]{2}){2,}/gi)],
  ]
}
