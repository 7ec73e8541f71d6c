// Both sites, one after the other, through the same stories.

import { after, afterEach, before, beforeEach, describe } from 'node:test'
import { attacks } from './attacks.js'
import { devices } from './devices.js'
import { looks } from './looks.js'
import { secrets } from './secrets.js'
import { trouble } from './trouble.js'
import { World } from './world.js'

for (const name of (process.env.SITES ?? 'express django').split(' ')) {
  describe(name, () => {
    const world = new World()

    before(() => world.start(name))
    beforeEach(() => world.redis.clear())
    afterEach(() => world.endOfTest())
    after(() => world.stop())

    describe('devices', () => devices(world))
    describe('attacks', () => attacks(world))
    describe('trouble', () => trouble(world))
    describe('looks', () => looks(world))
    // Last: they search what all tests before them have left.
    describe('secrets', () => secrets(world))
  })
}
