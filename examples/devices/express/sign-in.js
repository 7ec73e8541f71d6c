// Signing in and out, and what happens when somebody is signed in on too many devices.

import { Router } from 'express'
import { isPassword, stamp } from './accounts.js'
import { checkCsrf } from './csrf.js'
import { listDevices } from './devices.js'
import { flash } from './flash.js'

// Who has given the right password and has to make room first may take this long.
const WAITING = 5 * 60_000

export function signInRoutes(store) {
  const router = Router()

  router.get('/sign-in', (req, res) => {
    if (req.session.user) return res.redirect('/devices')
    res.render('sign-in', { name: '', problem: undefined, isSentHere: 'please' in req.query })
  })

  router.post('/sign-in', checkCsrf, async (req, res) => {
    const { name, password } = req.body
    if (!(await isPassword(name, password))) {
      return res.status(422).render('sign-in', { name, problem: 'The name or the password is not right.' })
    }
    await signIn(store, req, res, name)
  })

  router.get('/sign-in/make-room', async (req, res) => {
    const owner = whoWaits(req)
    if (!owner) return res.redirect('/sign-in')
    res.render('make-room', { owner, devices: await listDevices(store, owner) })
  })

  router.post('/sign-in/make-room', checkCsrf, async (req, res) => {
    const owner = whoWaits(req)
    if (!owner) return res.redirect('/sign-in')
    await store.signOut(owner, String(req.body.device))
    await signIn(store, req, res, owner)
  })

  return router
}

/** Makes the visitor's session the user's, under a new id, or asks to sign out another device first. */
async function signIn(store, req, res, name) {
  req.session.user = name
  delete req.session.csrf
  delete req.session.waiting
  try {
    await store.rotate(req)
  } catch (error) {
    if (error.code !== 'SESSIONLIMIT') throw error
    delete req.session.user
    req.session.waiting = { user: name, stamp: stamp(name), until: Date.now() + WAITING }
    return res.redirect('/sign-in/make-room')
  }
  console.log(`${name} signed in`)
  res.redirect('/devices')
}

/** Who has given the right password, and waits for room; nobody any more once the password is another one. */
function whoWaits(req) {
  const { waiting } = req.session
  const waits = waiting && Date.now() < waiting.until && waiting.stamp === stamp(waiting.user)
  return waits ? waiting.user : undefined
}

export function onlySignedIn(req, res, next) {
  if (req.session.user) return next()
  // The address says it, not a message in the session: nothing is written for strangers who ask for a page.
  res.redirect('/sign-in?please')
}

export function signOutRoutes() {
  const router = Router()

  router.post('/sign-out', checkCsrf, async (req, res) => {
    await new Promise((resolve, reject) => req.session.regenerate((error) => (error ? reject(error) : resolve())))
    flash(req, 'You are signed out.')
    res.redirect('/sign-in')
  })

  return router
}
