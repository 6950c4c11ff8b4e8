/** An address that is listened on: how it is written, and what to do where it cannot be taken. */

export interface Listen {
  /** An address or a name of this box; empty: every address. */
  readonly host: string
  readonly port: number
}

export function spelt({ host, port }: Listen): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** In words of whoever can change it. */
export function whyNot({ code, message }: NodeJS.ErrnoException, listen: Listen): string {
  const where = spelt(listen)
  if (code === 'EADDRINUSE') {
    return `${where} is taken by another program: stop that, or give console.listen another port, or off`
  }
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return `this box has no address ${listen.host} at the moment: correct console.listen`
  }
  if (code === 'EACCES') return `${where} may not be taken by this user: give console.listen a port from 1024 on`
  return `${where} cannot be opened (${code ?? message})`
}
