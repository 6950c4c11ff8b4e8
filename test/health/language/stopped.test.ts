import { describe, expect, it } from 'vitest'
import { stopped } from '../../../src/health/language/stopped.ts'

const shown = (env: Record<string, string>): string => {
  const { colour, pattern, code = [] } = stopped(env)
  return [colour, pattern, ...code].join(' ')
}

describe('SYS of a service that has ended', () => {
  it('is dark after a stop that was asked for, and without word of systemd', () => {
    expect(shown({ SERVICE_RESULT: 'success', EXIT_CODE: 'exited', EXIT_STATUS: '0' })).toBe('off off')
    expect(shown({})).toBe('off off')
  })

  it('blinks a code for the reason while the service is started again', () => {
    const codes = Object.fromEntries(
      ['exit-code', 'signal', 'core-dump', 'watchdog', 'timeout', 'protocol', 'oom-kill', 'resources', 'new'].map(
        (result) => [result, shown({ SERVICE_RESULT: result, EXIT_STATUS: '1' })],
      ),
    )
    expect(codes).toEqual({
      'exit-code': 'red code 1',
      signal: 'red code 2',
      'core-dump': 'red code 2',
      watchdog: 'red code 3',
      timeout: 'red code 4',
      protocol: 'red code 4',
      'oom-kill': 'red code 5',
      resources: 'red code 6',
      new: 'red code 1',
    })
  })

  it('tells a program that could not be started from one that ended', () => {
    expect(shown({ SERVICE_RESULT: 'exit-code', EXIT_STATUS: '226' })).toBe('red code 6')
  })

  it('is steady red when the configuration is not valid, or when systemd has given up', () => {
    expect(shown({ SERVICE_RESULT: 'exit-code', EXIT_STATUS: '3' })).toBe('red steady')
    expect(stopped({ SERVICE_RESULT: 'exit-code', EXIT_STATUS: '3' }).text).toContain('fieldgate check')
    expect(shown({ SERVICE_RESULT: 'start-limit-hit' })).toBe('red steady')
    expect(stopped({ MONITOR_SERVICE_RESULT: 'start-limit-hit', MONITOR_EXIT_STATUS: '3' }).id).toBe(
      'sys.cannot-run.configuration',
    )
    expect(stopped({ MONITOR_SERVICE_RESULT: 'watchdog' }).id).toBe('sys.cannot-run.limit')
    expect(stopped({ MONITOR_SERVICE_RESULT: 'exit-code', MONITOR_EXIT_STATUS: '3' }).id).toBe(
      'sys.cannot-run.configuration',
    )
  })
})
