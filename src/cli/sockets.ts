/** Where the sockets of the gateway with this configuration file are. */
import { logPathOf, socketDirectory } from '../config/sockets.ts'

export async function locateSockets(file: string): Promise<string> {
  return socketDirectory(logPathOf(file))
}
