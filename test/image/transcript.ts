/** What the harness did, as a person reads it: a sentence a check, its time and its figures; and the whole as one document. */

export interface Check {
  readonly name: string
  readonly ok: boolean
  readonly seconds: number
  readonly figures: Readonly<Record<string, number | string>>
  readonly fault?: string
}

/** So many more messages of each wire. */
export type Flowing = (more: number, budgetMs: number) => Promise<void>

export type Figures = Readonly<Record<string, number | string>> | undefined

export class Transcript {
  readonly checks: Check[] = []

  /** A check that fails does not keep the next ones from being tried; `needed`: it does. Returns whether it held. */
  async check(name: string, run: () => Promise<Figures>, needed = false): Promise<boolean> {
    const from = performance.now()
    let figures: Check['figures'] = {}
    let fault: string | undefined
    try {
      figures = (await run()) ?? {}
    } catch (thrown) {
      fault = thrown instanceof Error ? thrown.message : String(thrown)
    }
    const seconds = Math.round((performance.now() - from) / 100) / 10
    const check = { name, ok: fault === undefined, seconds, figures, ...(fault === undefined ? {} : { fault }) }
    this.checks.push(check)
    const told = Object.entries(figures).map(([what, value]) => `${what} ${value}`)
    console.log(
      `${check.ok ? 'ok    ' : 'FAILED'} ${seconds.toFixed(1).padStart(6)} s  ${name}${told.length > 0 ? `: ${told.join(', ')}` : ''}`,
    )
    if (fault !== undefined) console.log(`                  ${fault.replaceAll('\n', '\n                  ')}`)
    if (needed && !check.ok) throw new Error(`the rest makes no sense without: ${name}`)
    return check.ok
  }

  get failed(): number {
    return this.checks.filter(({ ok }) => !ok).length
  }
}
