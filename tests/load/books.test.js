// The books themselves: what they accept, and what they do not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Books, Session, SLACK } from './books.js'
import { Cell, Change, now } from './cell.js'
import { percentiles } from './figures.js'
import { compareList } from './lists.js'
import { Visit } from './visit.js'

const values = (cell) => [...cell.values].sort()

function someBooks(options = {}) {
  const books = new Books({ cap: 2, ...options })
  const add = (user = 1, more = {}) => {
    const session = books.add(new Session('django', { f0: 'a' }, { user, order: books.nextOrder(), ...more }))
    session.alive = new Cell(true)
    session.handle = `handle ${session.order}`
    return session
  }
  return { books, add }
}

/** The next millisecond, in which nothing of before is under way. */
const soon = () => new Promise((resolve) => setTimeout(resolve, 2))

const seen = (f0, user = '1') => ({ user, fields: { f0 } })

test('while a request is under way, both values are right', () => {
  const { books, add } = someBooks()
  const session = add()
  const write = new Visit(books, session, new Change([[session.fields.get('f0'), ['b']]]))
  assert.deepEqual(values(session.fields.get('f0')), ['a', 'b'])
  new Visit(books, session).found('view', seen('a'))
  new Visit(books, session).found('view', seen('b'))
  assert.deepEqual(books.differences, [])
  write.found('write', seen('b'))
  assert.deepEqual(values(session.fields.get('f0')), ['b'])
  new Visit(books, session).found('view', seen('c'))
  assert.match(books.differences[0], /f0 is c, and should be/)
})

test('what was there when a view was asked for may still be shown', () => {
  const { books, add } = someBooks()
  const session = add()
  const view = new Visit(books, session)
  new Visit(books, session, new Change([[session.fields.get('f0'), ['b']]])).found('write', seen('b'))
  view.found('view', seen('a'))
  assert.deepEqual(books.differences, [])
})

test('after a lost reply both are right, until one has been seen', async () => {
  const { books, add } = someBooks()
  const session = add()
  new Visit(books, session, new Change([[session.fields.get('f0'), ['b']]])).lost('write')
  assert.deepEqual(values(session.fields.get('f0')), ['a', 'b'])
  await soon()
  new Visit(books, session).found('view', seen('a'))
  assert.deepEqual(values(session.fields.get('f0')), ['a'])
  assert.deepEqual(books.differences, [])
})

test('what a site refuses is not carried out', async () => {
  const { books, add } = someBooks()
  const [session, other] = [add(), add()]
  session.alive.set([true, false])
  new Visit(books, session, new Change([[other.alive, [false]]])).gone('password', true)
  assert.equal(other.alive.is(true), true)
  await soon()
  new Visit(books, other).gone('view', true)
  assert.match(books.differences[0], /gone, and should be there/)
})

test('a foreign user, a foreign field and a missing one are differences', () => {
  const { books, add } = someBooks()
  for (const wrong of [seen('a', '2'), { user: '1', fields: { f0: 'a', f1: 'x' } }, { user: '1', fields: {} }]) {
    new Visit(books, add()).found('view', wrong)
  }
  assert.equal(books.differences.length, 3)
})

test('a session ends by its idle timeout, not before and not after', () => {
  const { books, add } = someBooks()
  const idle = 1000
  const used = (ago) => {
    const session = add(1, { idle })
    session.access = { earliest: now() - ago, latest: now() - ago }
    return session
  }
  new Visit(books, used(idle - 2 * SLACK)).found('view', seen('a'))
  new Visit(books, used(idle + 2 * SLACK)).gone('view', true)
  new Visit(books, used(idle)).gone('view', true)
  new Visit(books, used(idle)).found('view', seen('a'))
  assert.deepEqual(books.differences, [])
  new Visit(books, used(idle - 2 * SLACK)).gone('view', true)
  new Visit(books, used(idle + 2 * SLACK)).found('view', seen('a'))
  assert.equal(books.differences.length, 2)
})

test('what was answered right before a kill may be lost, and what came before may not', async () => {
  const { books, add } = someBooks()
  const [early, late] = [add(), add()]
  const write = (session) =>
    new Visit(books, session, new Change([[session.fields.get('f0'), ['b']]])).found('write', seen('b'))
  write(early)
  await soon()
  const safe = now()
  write(late)
  books.lose(safe, now())
  assert.deepEqual(values(early.fields.get('f0')), ['b'])
  assert.deepEqual(values(late.fields.get('f0')), ['a', 'b'])
  assert.equal(books.unsure, 1)
})

test('beyond the cap the oldest end, and where one may have ended already, perhaps', () => {
  const { books, add } = someBooks({ cap: 3 })
  const user = books.user(1)
  const [first, second, third] = [add(), add(), add()]
  const ended = () => books.beyondCap(user).map(([cell, after]) => [cell, after])
  assert.deepEqual(ended(), [[first.alive, [false]]])
  third.alive.add([false])
  assert.deepEqual(ended(), [[first.alive, [true, false]]])
  second.alive.set([false])
  assert.deepEqual(ended(), [])
})

test('a list has all that are alive, once, and nothing else', () => {
  const cases = [
    { listed: ['handle 1', 'handle 2'], differs: 0 },
    { listed: ['handle 1'], differs: 1 },
    { listed: ['handle 1', 'handle 2', 'handle 3'], differs: 1 },
    { listed: ['handle 1', 'handle 2', 'handle 2'], differs: 1 },
    { listed: ['handle 1', 'handle 2', 'unknown'], differs: 1 },
  ]
  for (const { listed, differs } of cases) {
    const { books, add } = someBooks()
    const [, , ended] = [add(), add(), add()]
    ended.alive = new Cell(false)
    compareList(
      books,
      books.user(1),
      'django',
      listed.map((handle) => [handle, false]),
      now(),
    )
    assert.equal(books.differences.length, differs, listed.join())
  }
})

test('percentiles are values that occurred', () => {
  const values = Array.from({ length: 1000 }, (_, n) => 1000 - n)
  assert.deepEqual(percentiles(values), [500, 990, 999, 1000])
  assert.deepEqual(percentiles([7]), [7, 7, 7, 7])
})
