/** The package's description for dpkg. */
import type { Architecture } from './architecture.ts'

export const MAINTAINER = 'Fieldgate Maintainers <maintainers@fieldgate.invalid>'

interface ControlOptions {
  readonly version: string
  readonly architecture: Architecture
  readonly kibibytes: number
}

/** Libraries and their versions are those of the oldest Debian that this is made for; Node and the addons ask for less. */
export function control({ version, architecture, kibibytes }: ControlOptions): string {
  return `Package: fieldgate
Version: ${version}
Architecture: ${architecture}
Maintainer: ${MAINTAINER}
Installed-Size: ${kibibytes}
Depends: libc6 (>= 2.36), libgcc-s1, libstdc++6 (>= 12), init-system-helpers (>= 1.54), systemd (>= 252)
Recommends: udev
Section: net
Priority: optional
Description: industrial gateway service
 Reads field devices over RS-485 and Ethernet, keeps every reading in a log on
 disk until each system that wants it has confirmed it, and hands it on as
 MQTT. It runs unattended for years; lamps, a button and a command line tell a
 technician what it does.
 .
 The runtime, Node.js, is part of this package.
`
}
