/** What an architecture is called: by Debian, and by npm. */
export type Architecture = 'arm64' | 'amd64'

const NPM: Readonly<Record<Architecture, 'arm64' | 'x64'>> = { arm64: 'arm64', amd64: 'x64' }

export function isArchitecture(name: string): name is Architecture {
  return Object.hasOwn(NPM, name)
}

export function npmName(architecture: Architecture): 'arm64' | 'x64' {
  return NPM[architecture]
}
