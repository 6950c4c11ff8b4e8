/** What the operating system says of a socket, as a sentence a technician understands. */

const SENTENCES: Readonly<Record<string, (where: string) => string>> = {
  ECONNREFUSED: (where) => `${where} refuses the connection: nothing listens there`,
  ECONNRESET: (where) => `${where} broke the connection off`,
  EPIPE: (where) => `${where} broke the connection off`,
  ETIMEDOUT: (where) => `${where} does not answer any more`,
  EHOSTUNREACH: (where) => `${where} cannot be reached: no such host on the network`,
  EHOSTDOWN: (where) => `${where} cannot be reached: no such host on the network`,
  ENETUNREACH: (where) => `${where} cannot be reached: this box has no way to that network`,
  ENETDOWN: (where) => `${where} cannot be reached: the network interface is down`,
  ENOTFOUND: (where) => `${where}: the name is not known`,
  EAI_AGAIN: (where) => `${where}: the name cannot be looked up now`,
  EADDRNOTAVAIL: (where) => `${where} cannot be reached: this box has no address on that network`,
}

export function socketFault(fault: Error, where: string): string {
  const code = (fault as NodeJS.ErrnoException).code
  return (code === undefined ? undefined : SENTENCES[code]?.(where)) ?? `${where}: ${fault.message}`
}
