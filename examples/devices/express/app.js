// The site, put together from its parts.

import { fileURLToPath } from 'node:url'
import express from 'express'
import session from 'express-session'
import { csrfToken, refuseOtherSites } from './csrf.js'
import { deviceRoutes } from './devices.js'
import { errorPage, notFound } from './errors.js'
import { takeMessages } from './flash.js'
import { headers } from './headers.js'
import { log } from './log.js'
import { passwordRoutes } from './password.js'
import { IDLE, LIFETIME } from './sessions.js'
import { onlySignedIn, signInRoutes, signOutRoutes } from './sign-in.js'
import { ago, ahead, inWords } from './times.js'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

export function createApp({ store, isReady, secret, trustProxy }) {
  const app = express()
  app.disable('x-powered-by')
  app.set('trust proxy', trustProxy)
  app.set('view engine', 'ejs')
  app.set('views', here('views'))
  Object.assign(app.locals, { ago, ahead, idle: inWords(IDLE) })

  app.use(log)
  app.use(headers)
  app.use('/static', express.static(here('../public')))
  app.use(refuseOtherSites)
  app.use(express.urlencoded({ extended: false, limit: '10kb' }))
  app.use(
    session({
      store,
      secret,
      name: 'sid',
      resave: false,
      saveUninitialized: false,
      cookie: { httpOnly: true, sameSite: 'lax', secure: 'auto', maxAge: LIFETIME * 1000 },
    }),
  )
  app.use(forTemplates)

  app.get('/', (req, res) => res.redirect(req.session.user ? '/devices' : '/sign-in'))
  app.use(signInRoutes(store))
  app.use(onlySignedIn)
  app.use(signOutRoutes())
  app.use(deviceRoutes(store))
  app.use(passwordRoutes(store))

  app.use(notFound)
  app.use(errorPage(isReady))
  return app
}

/** What every page shows. The token is a function, because to ask for it begins a session. */
function forTemplates(req, res, next) {
  res.locals.user = req.session.user
  res.locals.csrfToken = () => csrfToken(req)
  res.locals.takeMessages = () => takeMessages(req)
  next()
}
