/** A tar archive as POSIX.1-1988 (ustar) has it: small files with short names, one after the other. */

export interface File {
  /** At most 100 bytes. */
  readonly name: string
  readonly bytes: Uint8Array
}

const BLOCK = 512

/** `at`: UTC ms, of all of them. */
export function tar(files: readonly File[], at: number): Buffer {
  const pieces = files.flatMap(({ name, bytes }) => [
    header(name, bytes.length, at),
    bytes,
    new Uint8Array((BLOCK - (bytes.length % BLOCK)) % BLOCK),
  ])
  // Two empty blocks end it.
  return Buffer.concat([...pieces, new Uint8Array(2 * BLOCK)])
}

function header(name: string, size: number, at: number): Buffer {
  const block = Buffer.alloc(BLOCK)
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`
  block.write(name, 0, 100)
  block.write(octal(0o600, 7), 100)
  block.write(octal(0, 7), 108)
  block.write(octal(0, 7), 116)
  block.write(octal(size, 11), 124)
  block.write(octal(Math.floor(at / 1000), 11), 136)
  // The check sum is made with spaces in its place.
  block.write('        ', 148)
  block.write('0', 156)
  block.write('ustar\u000000', 257)
  block.write('root', 265)
  block.write('root', 297)
  const sum = block.reduce((all, byte) => all + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}
