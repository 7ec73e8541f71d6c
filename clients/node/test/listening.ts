/** For the tests of sessionEvents. */
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { type EndedSession, type SessionEvents, type SessionEventsOptions, sessionEvents } from '../src/events.js'
import type { Client } from './clients.js'

/** Collects what is reported, by key. */
function collect(events: SessionEvents) {
  const reasons = new Map<string, string>()
  const twice: EndedSession[] = []
  const done = (async () => {
    for await (const session of events) {
      if (reasons.has(session.id)) twice.push(session)
      reasons.set(session.id, session.reason)
    }
  })()
  return { reasons, twice, done }
}

// What a test that fails has left open would keep the process alive.
export const begun = new Set<SessionEvents>()
after(async () => {
  for (const events of begun) await events.return()
})

export async function listening(opened: Client, options: SessionEventsOptions = {}) {
  const events = sessionEvents(opened.client, { onWarning: (message) => assert.fail(message), ...options })
  begun.add(events)
  const collected = collect(events)
  await events.ready()
  return { events, ...collected }
}
