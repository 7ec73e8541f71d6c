// Changing the password, which signs out all other devices: whoever knew the old one is out.

import { Router } from 'express'
import { isPassword, setPassword } from './accounts.js'
import { checkCsrf } from './csrf.js'
import { signedOut } from './devices.js'
import { flash } from './flash.js'

const SHORTEST = 8

export function passwordRoutes(store) {
  const router = Router()

  router.get('/password', (_req, res) => res.render('password', { problems: {} }))

  router.post('/password', checkCsrf, async (req, res) => {
    const { user } = req.session
    const [old, wanted] = [String(req.body.old ?? ''), String(req.body.new ?? '')]
    const problems = await whatIsWrong(user, old, wanted)
    if (problems) return res.status(422).render('password', { problems })

    await setPassword(user, wanted)
    const count = await store.signOutAll(user, req.sessionID)
    // This session goes on under a new id: whoever had got hold of the old one is out, too, and at once.
    await store.rotate(req, { grace: 0 })
    flash(req, `Your password is changed. ${signedOut(count)}`)
    res.redirect('/devices')
  })

  return router
}

async function whatIsWrong(user, old, wanted) {
  if (!(await isPassword(user, old))) return { old: 'This is not your present password.' }
  if (wanted.length < SHORTEST) return { new: `Please take ${SHORTEST} characters or more.` }
}
