#!/usr/bin/env node
/** Arguments, signals, exit codes. Everything else is loaded by the command that needs it. */
import { enableCompileCache } from 'node:module'

// Before the first import of our own: what is compiled, and stripped of its types, is then kept for the next start.
enableCompileCache()

const { main } = await import('./cli/program.ts')
await main(process.argv.slice(2))
