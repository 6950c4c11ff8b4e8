/** The stages a batch passes: conversion to engineering values, then the choice of what is reported. */
import type { Batch, GroupRef } from '../contracts/batch.ts'
import type { Instant } from '../contracts/clock.ts'
import type { GroupPlan, Tag } from '../contracts/driver.ts'
import type { EventNote } from '../contracts/log.ts'
import type { Stage } from '../contracts/stage.ts'
import { Conversion } from './conversion.ts'
import type { Factor } from './element.ts'
import { Reporting } from './reporting.ts'

/** State by group, kept over a change of configuration: whole for the same `GroupRef`, by tag names for a new revision. */
class Groups<T extends { readonly ref: GroupRef; restore(batch: Batch): void; takeOver(before: T): void }> {
  readonly #make: (plan: GroupPlan) => T
  #groups = new Map<GroupRef, T>()
  #named = new Map<string, T>()

  constructor(make: (plan: GroupPlan) => T) {
    this.#make = make
  }

  configure(plans: readonly GroupPlan[]): void {
    const [groups, named] = [this.#groups, this.#named]
    this.#groups = new Map()
    this.#named = new Map()
    for (const plan of plans) {
      let group = groups.get(plan.ref)
      if (group === undefined) {
        group = this.#make(plan)
        const before = named.get(nameOf(plan.ref))
        if (before !== undefined) group.takeOver(before)
      }
      this.#groups.set(plan.ref, group)
      this.#named.set(nameOf(plan.ref), group)
    }
  }

  restore(batch: Batch): void {
    this.#named.get(nameOf(batch.group))?.restore(batch)
  }

  get(ref: GroupRef): T | undefined {
    return this.#groups.get(ref)
  }

  all(): Iterable<T> {
    return this.#groups.values()
  }
}

export class ConversionStage implements Stage {
  readonly name = 'conversion'
  readonly #groups: Groups<Conversion>

  constructor(note: (event: EventNote) => void) {
    this.#groups = new Groups((plan) => new Conversion(plan, note))
  }

  configure(plans: readonly GroupPlan[]): void {
    this.#groups.configure(plans)
  }

  bind(inputs: readonly GroupRef[]): readonly GroupRef[] {
    return inputs.filter((ref) => this.knows(ref))
  }

  restore(batch: Batch): void {
    this.#groups.restore(batch)
  }

  knows(ref: GroupRef): boolean {
    return this.#groups.get(ref) !== undefined
  }

  factor(ref: GroupRef, tag: Tag): Factor | undefined {
    return this.#groups.get(ref)?.factor(tag)
  }

  onBatch(batch: Batch, emit: (batch: Batch) => void): void {
    const group = this.#groups.get(batch.group)
    if (group !== undefined) emit(group.convert(batch))
  }
}

export class ReportingStage implements Stage {
  readonly name = 'reporting'
  readonly #groups = new Groups<Reporting>(({ ref, tags }) => {
    const read = tags.filter((tag) => tag.index >= 0).sort((a, b) => a.index - b.index)
    return new Reporting(
      ref,
      read.map((tag) => tag.mapping),
    )
  })

  configure(plans: readonly GroupPlan[]): void {
    this.#groups.configure(plans)
  }

  bind(inputs: readonly GroupRef[]): readonly GroupRef[] {
    return inputs.filter((ref) => this.#groups.get(ref) !== undefined)
  }

  restore(batch: Batch): void {
    this.#groups.restore(batch)
  }

  onBatch(batch: Batch, emit: (batch: Batch) => void): void {
    const worth = this.#groups.get(batch.group)?.report(batch)
    if (worth !== undefined) emit(worth)
  }

  onTick(now: Instant, emit: (batch: Batch) => void): void {
    for (const group of this.#groups.all()) {
      const due = group.repeat(now)
      if (due !== undefined) emit(due)
    }
  }
}

function nameOf({ device, group }: GroupRef): string {
  return `${device}/${group}`
}
