/** What was logged, in order. */
import type { Logger } from '../../src/contracts/component.ts'

export class Said implements Logger {
  readonly lines: { readonly level: keyof Logger; readonly text: string; readonly facts: object }[] = []

  debug(text: string, facts: object = {}): void {
    this.lines.push({ level: 'debug', text, facts })
  }
  info(text: string, facts: object = {}): void {
    this.lines.push({ level: 'info', text, facts })
  }
  warn(text: string, facts: object = {}): void {
    this.lines.push({ level: 'warn', text, facts })
  }
  error(text: string, facts: object = {}): void {
    this.lines.push({ level: 'error', text, facts })
  }

  of(level: keyof Logger): readonly string[] {
    return this.lines.filter((line) => line.level === level).map(({ text }) => text)
  }
}
