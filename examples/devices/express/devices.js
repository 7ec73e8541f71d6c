// The list of somebody's devices, and the buttons that sign them out. Pages name a device by its handle, which says
// nothing of the session's id and is worth nothing to anybody else.

import { Router } from 'express'
import { checkCsrf } from './csrf.js'
import { flash } from './flash.js'
import { describe } from './user-agent.js'

/** A user's devices for the page: this one first, then the one that was seen last. */
export async function listDevices(store, user, currentId) {
  const sessions = await store.sessions(user, currentId)
  return sessions
    .map(({ handle, created, accessed, deadline, device, current }) => ({
      ...describe(device?.userAgent),
      handle,
      current,
      deadline,
      firstSeen: created,
      lastSeen: accessed,
    }))
    .sort((a, b) => b.current - a.current || b.lastSeen - a.lastSeen)
}

export function deviceRoutes(store) {
  const router = Router()

  router.get('/devices', async (req, res) => {
    res.render('devices', { devices: await listDevices(store, req.session.user, req.sessionID) })
  })

  router.post('/devices/sign-out', checkCsrf, async (req, res) => {
    const { user } = req.session
    const handle = String(req.body.device)
    // The handle is looked up among this user's sessions alone: anybody else's is as good as a made-up one.
    const was = await store.signOut(user, handle)
    if (was) console.log(`${user} signed out device ${handle}`)
    flash(req, was ? 'The device is signed out.' : 'That device was signed out already.')
    res.redirect('/devices')
  })

  router.post('/devices/sign-out-others', checkCsrf, async (req, res) => {
    const count = await store.signOutAll(req.session.user, req.sessionID)
    flash(req, signedOut(count))
    res.redirect('/devices')
  })

  return router
}

/** "1 other device is signed out." */
export function signedOut(count) {
  return count === 1 ? '1 other device is signed out.' : `${count} other devices are signed out.`
}
