import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BEYOND,
  change,
  changed,
  changedSince,
  cut,
  everything,
  join,
  known,
  membersOf,
  type Other,
  parse,
} from '../src/fields.js'

/** A random value that JSON can carry, with all that makes texts hard to cut. */
function value(depth = 0): unknown {
  const strings = [
    '',
    '"',
    '\\',
    '\\"',
    '}',
    ']',
    ',',
    '{"a":1}',
    'ä\u{1f600}',
    '\u0000\n\u2028',
    '\ud800',
    '__proto__',
  ]
  const pick = <T>(list: T[]) => list[Math.floor(Math.random() * list.length)] as T
  const kind = Math.floor(Math.random() * (depth > 3 ? 5 : 7))
  if (kind < 2) return pick(strings) + pick(strings)
  if (kind === 2) return pick([0, -1.5, 1e300, 12345678901234, 5e-324])
  if (kind === 3) return pick([true, false, null])
  if (kind === 4) return pick<unknown>([[], {}])
  const parts = Array.from({ length: Math.floor(Math.random() * 4) }, () => value(depth + 1))
  return kind === 5 ? parts : Object.fromEntries(parts.map((part) => [pick(strings) + pick(strings), part]))
}

test('a text falls into its members, and they make the text again', () => {
  for (let i = 0; i < 3000; i++) {
    const object = Object.fromEntries(Array.from({ length: i % 9 }, () => [String(value(4)), value()]))
    const text = JSON.stringify(object)
    const members = cut(text)
    assert.deepEqual(
      [...members].map(([name, text]) => [name, JSON.parse(text)]),
      Object.entries(object),
    )
    assert.equal(join(members), text)
    assert.deepEqual(new Map(membersOf(object)), members)
    assert.deepEqual(changed(members, membersOf(object)), new Map())
  }
})

test('what says the same in other words has not changed', () => {
  const read = cut('{"a":1.0,"b":{"2":1,"1":2},"c":"\\u00e4","d":1,"e":"a\\/b"}')
  assert.deepEqual(changed(read, membersOf({ a: 1, b: { 1: 2, 2: 1 }, c: 'ä', d: 2, e: 'a/b' })), new Map([['d', '2']]))
})

test('what changed is found by the values that were read, and the same is found', () => {
  let found = 0
  for (let i = 0; i < 3000; i++) {
    const text = JSON.stringify(Object.fromEntries(Array.from({ length: i % 9 }, () => [String(value(4)), value()])))
    const object = JSON.parse(text)
    for (const name of Object.keys(object)) if (Math.random() < 0.3) object[name] = value()
    if (i % 5 === 0) object.added = value()
    if (i % 7 === 0) delete object[Object.keys(object)[0]!]
    const before = cut(text)
    const now = membersOf(object)
    const changes = changedSince(JSON.parse(text), () => before, object)
    const isMissing = [...before.keys()].some((name) => !now.has(name))
    assert.deepEqual(changes, isMissing ? undefined : changed(before, now))
    if (!isMissing) found++
  }
  assert.ok(found > 500, String(found))
})

test('a value that only looks like the one that was read is another one', () => {
  for (const [text, a] of [
    ['{"a":12}', 1],
    ['{"a":"1"}', 1],
    ['{"a":1}', '1'],
    ['{"a":null}', 'null'],
    ['{"a":0}', null],
    ['{"a":0}', false],
    ['{"a":[]}', {}],
    ['{"a":[1]}', '[1]'],
    ['{}', 1],
  ] as const) {
    const found = changedSince(JSON.parse(text), () => cut(text), { a })
    assert.deepEqual(found, new Map([['a', JSON.stringify(a)]]), text)
  }
  for (const [text, a] of [
    ['{"a":null}', Number.NaN],
    ['{"a":-0}', 0],
    ['{"a":1.0}', 1],
    ['{"a":12345678901234567890}', Number('12345678901234567890')],
    ['{"a":{"b":1.0}}', { b: 1 }],
    ['{"a":"1970-01-01T00:00:00.000Z"}', new Date(0)],
  ] as const) {
    assert.deepEqual(
      changedSince(JSON.parse(text), () => cut(text), { a, b: undefined }),
      new Map(),
      text,
    )
  }
  assert.equal(
    changedSince({ a: 1 }, () => cut('{"a":1}'), { a: undefined, b: 1 }),
    undefined,
  )
})

test('what only changed within an object is found', () => {
  const text = '{"a":{"b":[1]},"c":1}'
  const values = JSON.parse(text)
  const object = { ...values }
  object.a.b.push(2)
  assert.deepEqual(
    changedSince(values, () => cut(text), object),
    new Map([['a', '{"b":[1,2]}']]),
  )
})

test('of a member that is the same no text is made, of another one the text that is given', () => {
  const text = '{"a":1,"cookie":{"x":1},"b":2}'
  const other = (text: string, isSame: boolean) => ({ name: 'cookie', text: () => text, isSame })
  const object = { a: 1, cookie: {}, b: 2 }
  const changes = (other: Other) => changedSince(JSON.parse(text), () => cut(text), object, other)
  assert.deepEqual(changes(other('', true)), new Map())
  assert.deepEqual(changes(other('{"x":1}', false)), new Map())
  assert.deepEqual(changes(other('{"x":2}', false)), new Map([['cookie', '{"x":2}']]))
})

test('undefined and functions are no members, and toJSON is called', () => {
  assert.deepEqual([...membersOf({ a: undefined, b: () => 1, c: new Date(0) })], [['c', '"1970-01-01T00:00:00.000Z"']])
  assert.deepEqual([...membersOf({ x: 1, toJSON: () => ({ y: 2 }) })], [['y', '2']])
})

const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)

test('what the server cannot keep as JSON goes into one field, and comes back from it', () => {
  const members = new Map([
    ['plain', '1'],
    ['deep', deep(64)],
    ['\ud800', '"lone"'],
    [BEYOND, '"a name of ours"'],
    ['brackets', `"${'['.repeat(200)}"`],
    ['deepest', deep(63)],
  ])
  const { set, after } = everything(members, undefined)
  assert.deepEqual([...set.keys()].sort(), ['brackets', 'deepest', 'plain', BEYOND])
  assert.deepEqual(known(join(set)).members, after!.members)
  const expected = Object.fromEntries([...members].map(([name, text]) => [name, JSON.parse(text)]))
  assert.deepEqual(parse(join(set)), expected)
})

test('of the members in that field one is changed, one removed, one added', () => {
  const a = ['a', deep(70)] as const
  const b = ['b', deep(71)] as const
  const { after } = everything(new Map([a, b, ['c', '1']]), undefined)
  const c = ['c', deep(72)] as const
  const first = change(after!, new Map([c]), ['a'], new Map([b, c]))
  assert.deepEqual(first.unset, ['c'])
  assert.deepEqual(Object.keys(parse(join(first.set))), ['b', 'c'])
  const last = change(first.after!, new Map(), ['b', 'c'], new Map())
  assert.deepEqual([last.unset, last.set.size], [[BEYOND], 0])
})

test('a member named __proto__ is a member', () => {
  const text = JSON.stringify({ [BEYOND]: '{"__proto__":{"admin":true}}' })
  const data = parse(text)
  assert.equal((data as { admin?: boolean }).admin, undefined)
  assert.ok(Object.hasOwn(data, '__proto__'))
})
