/** Keys of an MQTT sink that are right by themselves and contradict each other. Pure. */
import type { MqttSettings } from './schema.ts'

interface Contradiction {
  readonly key: keyof MqttSettings
  readonly text: string
}

export function contradictions(settings: MqttSettings): readonly Contradiction[] {
  const { url, tls, password } = settings
  const found: Contradiction[] = []
  const scheme = new URL(url).protocol
  // The library would connect in the clear, without a word.
  if (tls !== undefined && !/^(mqtts|wss):$/.test(scheme)) {
    const secure = scheme === 'ws:' ? 'wss://' : 'mqtts://'
    const text = `tls is set, but the url begins with ${scheme}//: write ${secure}, or leave tls out`
    found.push({ key: 'tls', text })
  }
  if (password !== undefined && usernameOf(settings) === undefined) {
    found.push({ key: 'password', text: 'there is a password, but no username' })
  }
  return found
}

/** From its key, or from the url. */
export function usernameOf({ url, username }: MqttSettings): string | undefined {
  const written = new URL(url).username
  return username ?? (written === '' ? undefined : decodeURIComponent(written))
}
